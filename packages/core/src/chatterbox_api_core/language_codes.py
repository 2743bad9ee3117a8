"""Codes and names of languages: data for `languages`.

ISO 639-1 is complete, each code with its older codes and those of three letters that mean the same; of ISO 639-3 and
639-5 there are those that have a locale in Unicode's CLDR, and those that an engine here speaks. An entry is
`code [other codes]|English name|...|own name`; the first code is the one to use (IANA Language Subtag Registry: the
shortest there is). Sources: ISO 639 as the IANA registry has it; names as in CLDR 47.
"""

from __future__ import annotations

from typing import Final

__all__ = ["TABLE"]

TABLE: Final = """
aa aar|Afar|Qafar;ab abk|Abkhazian|Аԥсшәа;ae ave|Avestan;af afr|Afrikaans;ak aka|Akan;am amh|Amharic|አማርኛ;
an arg|Aragonese|aragonés;ar ara|Arabic|العربية;as asm|Assamese|অসমীয়া;av ava|Avaric;ay aym|Aymara;
az aze|Azerbaijani|azərbaycan;ba bak|Bashkir|башҡорт теле;be bel|Belarusian|беларуская;bg bul|Bulgarian|български;
bi bis|Bislama;bm bam|Bambara|bamanakan;bn ben|Bangla|Bengali|বাংলা;bo bod tib|Tibetan|བོད་སྐད་;
br bre|Breton|brezhoneg;bs bos|Bosnian|bosanski;ca cat|Catalan|català;ce che|Chechen|нохчийн;ch cha|Chamorro;
co cos|Corsican|corsu;cr cre|Cree;cs ces cze|Czech|čeština;cu chu|Church Slavic|церковнослове́нскїй;
cv chv|Chuvash|чӑваш;cy cym wel|Welsh|Cymraeg;da dan|Danish|dansk;de deu ger|German|Deutsch;
dv div|Divehi|ދިވެހިބަސް;dz dzo|Dzongkha|རྫོང་ཁ;ee ewe|Ewe|eʋegbe;el ell gre|Greek|Modern Greek|Ελληνικά;
en eng|English;eo epo|Esperanto;es spa|Spanish|español|Castilian;et est|Estonian|eesti;eu eus baq|Basque|euskara;
fa fas per|Persian|فارسی|Farsi;ff ful|Fula|Fulah|Pulaar;fi fin|Finnish|suomi;fj fij|Fijian;fo fao|Faroese|føroyskt;
fr fra fre|French|français;fy fry|Western Frisian|Frysk;ga gle|Irish|Gaeilge;gd gla|Scottish Gaelic|Gàidhlig;
gl glg|Galician|galego;gn grn|Guarani|avañe’ẽ;gu guj|Gujarati|ગુજરાતી;gv glv|Manx|Gaelg;ha hau|Hausa;
he iw heb|Hebrew|עברית;hi hin|Hindi|हिन्दी;ho hmo|Hiri Motu;hr hrv|Croatian|hrvatski;
ht hat|Haitian Creole|Haitian|Kreyòl Ayisyen;hu hun|Hungarian|magyar;hy hye arm|Armenian|հայերեն;hz her|Herero;
ia ina|Interlingua;id in ind|Indonesian|Indonesia;ie ile|Interlingue;ig ibo|Igbo;ii iii|Sichuan Yi|ꆈꌠꉙ;
ik ipk|Inupiaq;io ido|Ido;is isl ice|Icelandic|íslenska;it ita|Italian|italiano;iu iku|Inuktitut|ᐃᓄᒃᑎᑐᑦ;
ja jpn|Japanese|日本語;jv jav|Javanese|Jawa;ka kat geo|Georgian|ქართული;kg kon|Kongo;ki kik|Kikuyu|Gikuyu;
kj kua|Kuanyama;kk kaz|Kazakh|қазақ тілі;kl kal|Kalaallisut;km khm|Khmer|ខ្មែរ;kn kan|Kannada|ಕನ್ನಡ;
ko kor|Korean|한국어;kr kau|Kanuri;ks kas|Kashmiri|کٲشُر;ku kur|Kurdish|kurdî;kv kom|Komi;kw cor|Cornish|kernewek;
ky kir|Kyrgyz|Kirghiz|кыргызча;la lat|Latin|Latina;lb ltz|Luxembourgish|Lëtzebuergesch;lg lug|Ganda|Luganda;
li lim|Limburgish|Limburgan;ln lin|Lingala|lingála;lo lao|Lao|ລາວ;lt lit|Lithuanian|lietuvių;
lu lub|Luba-Katanga|Tshiluba;lv lav|Latvian|latviešu;mg mlg|Malagasy;mh mah|Marshallese;mi mri mao|Māori|Maori;
mk mkd mac|Macedonian|македонски;ml mal|Malayalam|മലയാളം;mn mon|Mongolian|монгол;mr mar|Marathi|मराठी;
ms msa may|Malay|Melayu;mt mlt|Maltese|Malti;my mya bur|Burmese|မြန်မာ;na nau|Nauru;
nb nob|Norwegian Bokmål|norsk bokmål;nd nde|North Ndebele|isiNdebele;ne nep|Nepali|नेपाली;ng ndo|Ndonga;
nl nld dut|Dutch|Nederlands|Flemish;nn nno|Norwegian Nynorsk|norsk nynorsk;no nor|Norwegian|norsk;
nr nbl|South Ndebele|isiNdebele;nv nav|Navajo|Diné Bizaad;ny nya|Nyanja|Chichewa;oc oci|Occitan;oj oji|Ojibwa;
om orm|Oromo|Oromoo;or ori|Odia|Oriya|ଓଡ଼ିଆ;os oss|Ossetic|Ossetian|ирон;pa pan|Punjabi|Panjabi|ਪੰਜਾਬੀ;pi pli|Pali;
pl pol|Polish|polski;ps pus|Pashto|Pushto|پښتو;pt por|Portuguese|português;qu que|Quechua|Runasimi;
rm roh|Romansh|rumantsch;rn run|Rundi|Ikirundi;ro ron rum|Romanian|română;ru rus|Russian|русский;
rw kin|Kinyarwanda|Ikinyarwanda;sa san|Sanskrit|संस्कृत भाषा;sc srd|Sardinian|sardu;sd snd|Sindhi|سنڌي;
se sme|Northern Sami|davvisámegiella;sg sag|Sango|Sängö;sh|Serbo-Croatian;si sin|Sinhala|සිංහල;
sk slk slo|Slovak|slovenčina;sl slv|Slovenian|slovenščina;sm smo|Samoan;sn sna|Shona|chiShona;
so som|Somali|Soomaali;sq sqi alb|Albanian|shqip;sr srp|Serbian|српски;ss ssw|Swati|siSwati;
st sot|Southern Sotho|Sesotho;su sun|Sundanese|Basa Sunda;sv swe|Swedish|svenska;sw swa|Swahili|Kiswahili;
ta tam|Tamil|தமிழ்;te tel|Telugu|తెలుగు;tg tgk|Tajik|тоҷикӣ;th tha|Thai|ไทย;ti tir|Tigrinya|ትግርኛ;
tk tuk|Turkmen|türkmen dili;tl tgl|Tagalog;tn tsn|Tswana|Setswana;to ton|Tongan|Tonga|lea fakatonga;
tr tur|Turkish|Türkçe;ts tso|Tsonga|Xitsonga;tt tat|Tatar|татар;tw twi|Twi;ty tah|Tahitian;
ug uig|Uyghur|Uighur|ئۇيغۇرچە;uk ukr|Ukrainian|українська;ur urd|Urdu|اردو;uz uzb|Uzbek|o‘zbek;
ve ven|Venda|Tshivenḓa;vi vie|Vietnamese|Tiếng Việt;vo vol|Volapük;wa wln|Walloon|walon;wo wol|Wolof;
xh xho|Xhosa|IsiXhosa;yi ji yid|Yiddish|ייִדיש;yo yor|Yoruba|Èdè Yorùbá;za zha|Zhuang|Vahcuengh;
zh zho chi|Chinese|中文;zu zul|Zulu|isiZulu;ace|Acehnese;ach|Acoli;ada|Adangme;ady|Adyghe;aeb|Tunisian Arabic;
afh|Afrihili;agq|Aghem;ain|Ainu;akk|Akkadian;akz|Alabama;ale|Aleut;aln|Gheg Albanian;alt|Southern Altai;
ang|Old English;ann|Obolo;anp|Angika;arc|Aramaic;arn|Mapuche|Mapudungun;aro|Araona;arp|Arapaho;arq|Algerian Arabic;
ars|Najdi Arabic;arw|Arawak;ary|Moroccan Arabic;arz|Egyptian Arabic;asa|Asu|Kipare;ase|American Sign Language;
ast|Asturian|asturianu;atj|Atikamekw;avk|Kotava;awa|Awadhi;bal|Baluchi|بلۆچی;ban|Balinese;bar|Bavarian;
bas|Basaa|Ɓàsàa;bax|Bamun;bbc|Batak Toba;bbj|Ghomala;bej|Beja;bem|Bemba|Ichibemba;bew|Betawi;bez|Bena|Hibena;
bfd|Bafut;bfq|Badaga;bgc|Haryanvi|हरियाणवी;bgn|Western Balochi|بلوچی (رخشانی);bho|Bhojpuri|भोजपुरी;bik|Bikol;
bin|Bini;bjn|Banjar;bkm|Kom;bla|Siksiká;blo|Anii|anii kagɩja;blt|Tai Dam|ꪼꪕꪒꪾ;bpy|Bishnupriya;bqi|Bakhtiari;
bra|Braj;brh|Brahui;brx|Bodo|बर’;bss|Akoose;bua|Buriat;bug|Buginese;bum|Bulu;byn|Blin|ብሊን;byv|Medumba;cad|Caddo;
car|Carib;cay|Cayuga;cch|Atsam;ccp|Chakma|𑄌𑄋𑄴𑄟𑄳𑄦;ceb|Cebuano;cgg|Chiga|Rukiga;chb|Chibcha;chg|Chagatai;chk|Chuukese;
chm|Mari;chn|Chinook Jargon;cho|Choctaw|Chahta;chp|Chipewyan;chr|Cherokee|ᏣᎳᎩ;chy|Cheyenne;
cic|Chickasaw|Chikashshanompaʼ;ckb|Central Kurdish|کوردیی ناوەندی;clc|Chilcotin;cmn|Mandarin Chinese|Mandarin;
cop|Coptic;cps|Capiznon;crg|Michif;crh|Crimean Tatar;crj|Southern East Cree;crk|Plains Cree;crl|Northern East Cree;
crm|Moose Cree;crr|Carolina Algonquian;crs|Seselwa Creole French;csb|Kashubian;csw|Swampy Cree|ᓀᐦᐃᓇᐍᐏᐣ;dak|Dakota;
dar|Dargwa;dav|Taita|Kitaita;del|Delaware;den|Slave;dgr|Dogrib;din|Dinka;dje|Zarma|Zarmaciine;doi|Dogri|डोगरी;
dsb|Lower Sorbian|dolnoserbšćina;dtp|Central Dusun;dua|Duala|duálá;dum|Middle Dutch;dyo|Jola-Fonyi|joola;dyu|Dyula;
dzg|Dazaga;ebu|Embu|Kĩembu;efi|Efik;egl|Emilian;egy|Ancient Egyptian;eka|Ekajuk;elx|Elamite;enm|Middle English;
esu|Central Yupik;ewo|Ewondo;ext|Extremaduran;fan|Fang;fat|Fanti;fil|Filipino;fit|Tornedalen Finnish;fon|Fon;
frc|Cajun French;frm|Middle French;fro|Old French;frp|Arpitan;frr|Northern Frisian|Nordfriisk;frs|Eastern Frisian;
fur|Friulian|furlan;gaa|Ga|Gã;gag|Gagauz;gan|Gan Chinese;gay|Gayo;gba|Gbaya;gbz|Zoroastrian Dari;gez|Geez|ግዕዝኛ;
gil|Gilbertese;glk|Gilaki;gmh|Middle High German;goh|Old High German;gon|Gondi;gor|Gorontalo;got|Gothic;grb|Grebo;
grc|Ancient Greek;gsw|Swiss German|Schwiizertüütsch;guc|Wayuu;gur|Frafra;guz|Gusii|Ekegusii;gwi|Gwichʼin;hai|Haida;
hak|Hakka Chinese;haw|Hawaiian|ʻŌlelo Hawaiʻi;hax|Southern Haida;hbs|Serbo-Croatian;hif|Fiji Hindi;hil|Hiligaynon;
hit|Hittite;hmn|Hmong;hnj|Hmong Njua|𞄀𞄄𞄰𞄩𞄍𞄜𞄰;hsb|Upper Sorbian|hornjoserbšćina;hsn|Xiang Chinese;hup|Hupa;
hur|Halkomelem;hyw|Western Armenian;iba|Iban;ibb|Ibibio;ikt|Western Canadian Inuktitut;ilo|Iloko;inh|Ingush;
izh|Ingrian;jam|Jamaican Creole English;jbo|Lojban|la .lojban.;jgo|Ngomba|Ndaꞌa;jmc|Machame|Kimachame;
jpr|Judeo-Persian;jrb|Judeo-Arabic;jut|Jutish;kaa|Kara-Kalpak|қарақалпақша;kab|Kabyle|Taqbaylit;kac|Kachin;
kaj|Jju|Kaje;kam|Kamba|Kikamba;kaw|Kawi;kbd|Kabardian;kbl|Kanembu;kcg|Tyap|Katab;kde|Makonde|Chimakonde;
kea|Kabuverdianu;ken|Kenyang|Kɛnyaŋ;kfo|Koro;kgp|Kaingang|kanhgág;kha|Khasi;kho|Khotanese;
khq|Koyra Chiini|Koyra ciini;khw|Khowar;kiu|Kirmanjki;kkj|Kako|kakɔ;kln|Kalenjin;kmb|Kimbundu;koi|Komi-Permyak;
kok|Konkani|कोंकणी;kos|Kosraean;kpe|Kpelle|Kpɛlɛɛ;krc|Karachay-Balkar;kri|Krio;krj|Kinaray-a;krl|Karelian;
kru|Kurukh;ksb|Shambala|Kishambaa;ksf|Bafia|rikpa;ksh|Colognian|Kölsch;kum|Kumyk;kut|Kutenai;kwk|Kwakʼwala;kxv|Kuvi;
lad|Ladino;lag|Langi|Kɨlaangi;lah|Western Panjabi;lam|Lamba;lez|Lezghian;lfn|Lingua Franca Nova;lij|Ligurian|ligure;
lil|Lillooet;liv|Livonian;lkt|Lakota|Lakȟólʼiyapi;lmo|Lombard;lol|Mongo;lou|Louisiana Creole;loz|Lozi;
lrc|Northern Luri|لۊری شومالی;lsm|Saamia;ltg|Latgalian|latgalīšu;lua|Luba-Lulua;lui|Luiseno;lun|Lunda;
luo|Luo|Dholuo;lus|Mizo;luy|Luyia|Luluhia;lzh|Literary Chinese;lzz|Laz;mad|Madurese;maf|Mafa;mag|Magahi;
mai|Maithili|मैथिली;mak|Makasar;man|Mandingo;mas|Masai|Maa;mde|Maba;mdf|Moksha|мокшень кяль;mdr|Mandar;men|Mende;
mer|Meru|Kĩmĩrũ;mfe|Morisyen|kreol morisien;mga|Middle Irish;mgh|Makhuwa-Meetto|Makua;mgo|Metaʼ;
mic|Mi'kmaw|Lʼnuiʼsuti;min|Minangkabau;mnc|Manchu;mni|Manipuri|মৈতৈলোন্;moe|Innu-aimun;moh|Mohawk|Kanienʼkéha;
mos|Mossi;mrj|Western Mari;mto|Totontepec Mixe;mua|Mundang|MUNDAŊ;mus|Muscogee|Mvskoke;mwl|Mirandese;mwr|Marwari;
mwv|Mentawai;mye|Myene;myv|Erzya|эрзянь кель;mzn|Mazanderani|مازرونی;nan|Min Nan Chinese;nap|Neapolitan;
naq|Nama|Khoekhoegowab;nci|Classical Nahuatl;nds|Low German|Neddersass’sch;new|Newari;nia|Nias;niu|Niuean;
njo|Ao Naga;nmg|Kwasio;nnh|Ngiemboon|Shwóŋò ngiembɔɔn;nog|Nogai;non|Old Norse;nov|Novial;nqo|N’Ko|ߒߞߏ;
nso|Northern Sotho|Sesotho sa Leboa;nus|Nuer|Thok Nath;nwc|Classical Newari;nym|Nyamwezi;nyn|Nyankole|Runyankore;
nyo|Nyoro;nzi|Nzima;ojb|Northwestern Ojibwa;ojc|Central Ojibwa;ojs|Oji-Cree;ojw|Western Ojibwa;oka|Okanagan;
osa|Osage|𐓏𐓘𐓻𐓘𐓻𐓟;ota|Ottoman Turkish;pag|Pangasinan;pal|Pahlavi;pam|Pampanga;pap|Papiamento|Papiamentu;pau|Palauan;
pcd|Picard;pcm|Nigerian Pidgin|Naijíriá Píjin;pdc|Pennsylvania German;pdt|Plautdietsch;peo|Old Persian;
pfl|Palatine German;phn|Phoenician;pis|Pijin;pms|Piedmontese;pnt|Pontic;pon|Pohnpeian;pqm|Maliseet-Passamaquoddy;
prg|Prussian|prūsiskan;pro|Old Provençal;qdb|Lang Belta;quc|Kʼicheʼ;qug|Chimborazo Highland Quichua;qya|Quenya;
raj|Rajasthani|राजस्थानी;rap|Rapanui;rar|Rarotongan;rgn|Romagnol;rhg|Rohingya|𐴌𐴗𐴥𐴝𐴙𐴚𐴒𐴙𐴝;rif|Riffian|Tarifit;
rof|Rombo|Kihorombo;rom|Romany;rtm|Rotuman;rue|Rusyn;rug|Roviana;rup|Aromanian;rwk|Rwa|Kiruwa;sad|Sandawe;
sah|Yakut|саха тыла;sam|Samaritan Aramaic;saq|Samburu|Kisampur;sas|Sasak;sat|Santali|ᱥᱟᱱᱛᱟᱲᱤ;saz|Saurashtra;
sba|Ngambay;sbp|Sangu|Ishisangu;scn|Sicilian|sicilianu;sco|Scots;sdc|Sassarese Sardinian;
sdh|Southern Kurdish|کوردی خوارگ;see|Seneca;seh|Sena;sei|Seri;sel|Selkup;ses|Koyraboro Senni;sga|Old Irish;
sgs|Samogitian;shi|Tachelhit|ⵜⴰⵛⵍⵃⵉⵜ;shn|Shan|တႆး;shu|Chadian Arabic;sid|Sidamo|Sidaamu Afo;sjn|Sindarin;
slh|Southern Lushootseed;sli|Lower Silesian;sly|Selayar;sma|Southern Sami|Åarjelsaemien gïele;
smj|Lule Sami|julevsámegiella;smn|Inari Sami|anarâškielâ;sms|Skolt Sami|sääʹmǩiõll;snk|Soninke;sog|Sogdien;
srn|Sranan Tongo;srr|Serer;ssy|Saho;stq|Saterland Frisian;str|Straits Salish;suk|Sukuma;sus|Susu;sux|Sumerian;
swb|Comorian;syc|Classical Syriac;syr|Syriac|ܣܘܪܝܝܐ;szl|Silesian|ślōnski;tce|Southern Tutchone;tcy|Tulu;tem|Timne;
teo|Teso|Kiteso;ter|Tereno;tet|Tetum;tgx|Tagish;tht|Tahltan;tig|Tigre|ትግረ;tiv|Tiv;tkl|Tokelau;tkr|Tsakhur;
tlh|Klingon;tli|Tlingit;tly|Talysh;tmh|Tamashek;tog|Nyasa Tonga;tok|Toki Pona;tpi|Tok Pisin;tru|Turoyo;
trv|Taroko|patas Taroko;trw|Torwali|توروالی;tsd|Tsakonian;tsi|Tsimshian;ttm|Northern Tutchone;ttt|Muslim Tat;
tum|Tumbuka;tvl|Tuvalu;twq|Tasawaq|Tasawaq senni;tyv|Tuvinian;tzm|Central Atlas Tamazight|Tamaziɣt n laṭlaṣ;
udm|Udmurt;uga|Ugaritic;umb|Umbundu;vai|Vai|ꕙꔤ;vec|Venetian|veneto;vep|Veps;vls|West Flemish;vmf|Main-Franconian;
vmw|Makhuwa|emakhuwa;vot|Votic;vro|Võro;vun|Vunjo|Kyivunjo;wae|Walser;wal|Wolaytta|ወላይታቱ;war|Waray;was|Washo;
wbp|Warlpiri;wuu|Wu Chinese;xal|Kalmyk;xmf|Mingrelian;xnr|Kangri|कांगड़ी;xog|Soga|Olusoga;yao|Yao;yap|Yapese;
yav|Yangben|nuasue;ybb|Yemba;yrl|Nheengatu|nheẽgatu;yue|Cantonese|粵語;zap|Zapotec;zbl|Blissymbols;zea|Zeelandic;
zen|Zenaga;zgh|Standard Moroccan Tamazight|ⵜⴰⵎⴰⵣⵉⵖⵜ;zun|Zuni;zza|Zaza;
"""
