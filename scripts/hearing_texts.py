"""What `hear_chatterbox` says: some English, and a greeting in each other language of the multilingual model."""

from __future__ import annotations

from typing import Final

__all__ = ["LANGUAGES", "TEXTS"]

TEXTS: Final = {
    "short": "Hello there.",
    "sentence": "The morning is bright, and the birds are singing again.",
    "question": "Are you quite sure that you locked the door?",
    "numbers": "On May 3rd, 2024, the bill was 42 dollars and 17 cents.",
    "long": "I walked along the river until the path came to an end. Nobody was there but an old man with a dog, "
    "and both looked at the water.",
}
"""Each fits into one piece of every model."""

LANGUAGES: Final = {
    "ar": "صباح الخير، كيف حالك اليوم؟",
    "da": "Godmorgen, hvordan har du det i dag?",
    "de": "Guten Morgen, wie geht es dir heute?",
    "el": "Καλημέρα, πώς είσαι σήμερα;",
    "es": "Buenos días, ¿cómo estás hoy?",
    "fi": "Hyvää huomenta, mitä sinulle kuuluu tänään?",
    "fr": "Bonjour, comment vas-tu aujourd'hui ?",
    "he": "בוקר טוב, מה שלומך היום?",
    "hi": "सुप्रभात, आज आप कैसे हैं?",
    "it": "Buongiorno, come stai oggi?",
    "ja": "おはようございます。今日はお元気ですか。",
    "ko": "좋은 아침이에요. 오늘 기분은 어때요?",
    "ms": "Selamat pagi, apa khabar hari ini?",
    "nl": "Goedemorgen, hoe gaat het vandaag met je?",
    "no": "God morgen, hvordan har du det i dag?",
    "pl": "Dzień dobry, jak się dziś masz?",
    "pt": "Bom dia, como você está hoje?",
    "ru": "Доброе утро, как дела сегодня?",
    "sv": "God morgon, hur mår du idag?",
    "sw": "Habari za asubuhi, unaendeleaje leo?",
    "tr": "Günaydın, bugün nasılsın?",
    "zh": "早上好，你今天怎么样？",
}
