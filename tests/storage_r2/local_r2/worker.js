// Wrangler wants a worker; the bucket's S3 endpoint is beside it.
export default { fetch: () => new Response("a worker for the sake of its bucket") };
