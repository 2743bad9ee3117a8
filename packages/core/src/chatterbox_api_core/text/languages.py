"""What languages abbreviate, and which words begin their sentences: data for `sentences` and `lines`.

An entry in lower case stands for the capitalised word too (`fig`: `Fig.`), one with a capital for itself (`Jan`:
`jan` is no month). Entries have no final full stop. They are common ones: titles, months, units, references, companies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["LanguageRules", "rules_of"]


@dataclass(frozen=True, slots=True)
class LanguageRules:
    """One language.

    Attributes:
        never: abbreviations that never end a sentence.
        before_number: words whose full stop is an abbreviation's before a number only.
        maybe: abbreviations that end a sentence only before one of `starters`.
        starters: words, capitalised, that begin sentences often and names never; with a full stop where they have one.
        unfinished: words that no line or sentence ends with.
        ordinals: a number with a full stop is an ordinal number.
        noun_capitals: nouns are capitalised.
        marks: marks that end a sentence, beside the common ones.
    """

    never: frozenset[str] = frozenset()
    before_number: frozenset[str] = frozenset()
    maybe: frozenset[str] = frozenset()
    starters: frozenset[str] = frozenset()
    unfinished: frozenset[str] = frozenset()
    ordinals: bool = False
    noun_capitals: bool = False
    marks: str = ""

    @staticmethod
    def has(entries: frozenset[str], word: str) -> bool:
        return word in entries or (word[0].isupper() and word[0].lower() + word[1:] in entries)


def rules_of(language: str | None) -> LanguageRules:
    """The rules of a language, a tag such as `de` or `pt-br`; English ones for None."""
    primary = (language or "en").lower().replace("_", "-").partition("-")[0]
    return _RULES.get(primary, _GENERAL)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GENERAL: Final = LanguageRules(never=_words("dr mr mrs ms prof"), before_number=_words("no nr n° fig vol p pp"))

_RULES: Final[dict[str, LanguageRules]] = {
    "en": LanguageRules(
        never=_words(
            "mr mrs ms mx messrs dr prof gen col maj capt cpt cmdr lt sgt cpl pvt adm brig rev fr hon pres gov "
            "sen rep amb supt det insp mt e.g i.e eg ie viz vs v cf approx esp incl ca c.f a.k.a asst assoc"
        ),
        before_number=_words(
            "no nos n° fig figs p pp vol vols ch chap sec art para eq eqs ver v ed tab pt app ex nr Jan Feb Mar "
            "Apr Jun Jul Aug Sep Sept Oct Nov Dec Sat Sun lit op par ext rm bldg sect apt kg km cm mm mi lb lbs "
            "oz hr hrs min mph sq yd gal tsp tbsp"
        ),
        maybe=_words(
            "St Ft Ave Blvd Rd Inc Ltd Co Corp Bros etc al Jr Sr Esq Ph.D M.D dept univ est Jan Feb Apr Jun Jul "
            "Aug Sept Oct Nov Dec Mon Tue Tues Wed Thu Thurs Fri Calif Mass Conn Penn Tex Fla"
        ),
        starters=_words(
            "The A An He She It We They You I This That These Those There Here His Her Its Our Their My Your But "
            "And Or So Then When Where What Why How Who If In On At As For From With After Before While Since "
            "Although However Because Is Are Was Were Do Does Did Has Have Had Can Could Would Should Not No Yes "
            "Now Once Some Many Most Each Every Both Such Let Please Thus Therefore Meanwhile Later Today "
            "Yesterday Nobody Everyone Nothing Another Finally Perhaps Maybe Only Even Two Three Mr. Mrs. Ms."
        ),
        unfinished=_words(
            "the a an of to by in on at for from with and or but as that than his her its our their my your is "
            "are was were"
        ),
    ),
    "de": LanguageRules(
        never=_words(
            "dr prof hr fr frl dipl ing mag z.B d.h u.a i.d.R z.T o.g s.o vgl bzw sog ca evtl ggf inkl exkl zzgl "
            "abzgl geb gest gen insb allg bspw Hrsg hl St zw z d u i o s v jun sen med rer nat phil jur habil Bhf "
            "kath ev"
        ),
        before_number=_words(
            "nr nrn abb abs art bd bde kap s seite tab tel ziff zif fig anm Jan Feb Mär Apr Jun Jul Aug Sep Sept "
            "Okt Nov Dez"
        ),
        maybe=_words(
            "usw etc u.s.w usf u.a u.v.m Str str Co Inc Nr Mio Mrd Tsd Std Min Sek Mo Di Mi Do Fr Sa So St Chr "
            "Jan Feb Apr Jun Jul Aug Sept Okt Nov Dez Jh Jhd Mill Abt Aufl Bsp o.ä u.ä a.D"
        ),
        starters=_words(
            "Der Die Das Den Dem Ein Eine Einen Er Sie Es Wir Ihr Ich Du Man Dies Diese Dieser Dieses Jener Sein "
            "Seine Ihre Unser Unsere Mein Meine Aber Und Oder Denn Doch Dann Danach Davor Dort Hier Heute Gestern "
            "Morgen Wenn Als Weil Obwohl Da Wer Was Wo Wie Warum Wann In Im Am An Auf Aus Bei Mit Nach Von Vor Zu "
            "Zum Zur Für Durch Ohne Seit Trotz Nun Nur Auch So Sogar Jetzt Später Schließlich Außerdem Jedoch "
            "Damit Dabei Dazu Deshalb Daher Darum Viele Alle Beide Kein Keine Nicht Niemand Jeder Jede Bitte Ist "
            "Sind War Waren Hat Haben Kann Nein Ja"
        ),
        unfinished=_words(
            "der die das den dem des ein eine einen einem einer und oder von zu zum zur im in am an auf mit für "
            "aus bei nach dass"
        ),
        ordinals=True,
        noun_capitals=True,
    ),
    "fr": LanguageRules(
        never=_words("M MM mme mlle mr dr dre pr prof me mgr st ste cf ex env c.-à-d p.ex i.e gén col cap lt sgt vs"),
        before_number=_words(
            "n no nº n° p pp vol fig chap art t éd tél janv févr avr juil sept oct nov déc réf km kg cm mm min sec"
        ),
        maybe=_words("etc av bd boul pl C.V S.A s.a Cie Inc Ltd Co al janv févr avr juil sept oct nov déc J.-C apr"),
        starters=_words(
            "Le La Les L Un Une Des Il Elle Ils Elles On Nous Vous Je J Tu Ce C Cet Cette Ces Mon Ma Mes Son Sa "
            "Ses Notre Leur Leurs Mais Et Ou Donc Or Car Puis Alors Ensuite Quand Lorsque Si Comme Dans En Au Aux "
            "À Pour Par Avec Sans Sur Sous Après Avant Depuis Pendant Que Qui Quoi Où Comment Pourquoi Quel "
            "Quelle Ici Là Voici Voilà Aujourd Hier Demain Non Oui Tout Tous Toutes Chaque Plusieurs Personne "
            "Rien Cela Ça Cependant Pourtant Enfin Ne N D Qu"
        ),
        unfinished=_words(
            "le la les un une des de du à au aux et ou que qui dans en pour par avec sur son sa ses ce cette"
        ),
    ),
    "es": LanguageRules(
        never=_words(
            "sr sra srta sres dr dra prof profa d dña lic ing arq gral cap cnel tte sto sta mons p.ej ej vs cf "
            "aprox pbro mt"
        ),
        before_number=_words(
            "n nº n° núm no pág párr párrf Lun Mar Mié Jue Vie Sáb Dom págs p pp vol fig cap art t tel ed ene feb "
            "mar abr may jun jul ago sept oct nov dic apdo km kg cm mm min seg"
        ),
        maybe=_words("etc EE.UU EE UU Ud Uds Vd Vds Av Avda C Cía S.A Inc Ltd Co al a.C d.C a.m p.m"),
        starters=_words(
            "El La Los Las Lo Un Una Unos Unas Él Ella Ellos Ellas Nosotros Yo Tú Usted Ustedes Este Esta Estos "
            "Estas Ese Esa Eso Esto Aquel Mi Mis Su Sus Nuestro Nuestra Pero Y O Entonces Luego Después Antes "
            "Cuando Si Como En De Del Al A Para Por Con Sin Sobre Desde Hasta Que Qué Quién Cómo Dónde Cuándo Hoy "
            "Ayer Mañana Aquí Allí No Sí También Ya Todo Todos Cada Muchos Nadie Nada Así Además Aunque Mientras "
            "Hay Es Son Era Fue Se Le Les Me Nos"
        ),
        unfinished=_words("el la los las un una de del a al y o que en por para con su sus se es"),
    ),
    "it": LanguageRules(
        never=_words(
            "sig sigg sig.ra sig.na dott dott.ssa dr prof prof.ssa ing avv arch geom rag on sen gen col cap ten "
            "mons p.es es cfr vs s ss ca dir psicol"
        ),
        before_number=_words(
            "n nr n° p pp pag pagg vol fig cap art t tel ed gen feb mar apr mag giu lug ago set sett ott nov dic "
            "tab km kg cm mm min sec"
        ),
        maybe=_words("ecc S.p.A S.r.l Inc Ltd Co al a.C d.C Spett P.za V.le"),
        starters=_words(
            "Il Lo La I Gli Le L Un Uno Una Egli Ella Lui Lei Loro Noi Voi Io Tu Questo Questa Questi Queste "
            "Quello Quella Mio Mia Suo Sua Nostro Ma E O Ed Poi Allora Quando Se Come In Nel Nella Di Del Della "
            "Da Dal A Al Alla Per Con Senza Su Sul Dopo Prima Che Chi Cosa Dove Perché Oggi Ieri Domani Qui Non "
            "Sì No Anche Già Tutti Tutto Ogni Molti Nessuno Così Inoltre Mentre È Sono Era Erano Fu Ha Hanno Si "
            "Ci Vi C"
        ),
        unfinished=_words(
            "il lo la i gli le un uno una di del della da dal a al alla e o che in nel nella per con su sul è"
        ),
    ),
    "pt": LanguageRules(
        never=_words(
            "sr sra srs srta dr dra drs prof profa eng arq gen cel cap ten d dom pe p.ex ex vs cf aprox exmo exma "
            "sto sta"
        ),
        before_number=_words(
            "n nº n° no núm p pp pág págs vol fig cap art t tel ed jan fev mar abr mai jun jul ago set out nov "
            "dez km kg cm mm min seg"
        ),
        maybe=_words("etc EUA E.U.A Av R Cia Ltda S.A Inc Ltd Co al a.C d.C jan fev abr jun jul ago dez V.Ex"),
        starters=_words(
            "O A Os As Um Uma Uns Umas Ele Ela Eles Elas Nós Eu Tu Você Vocês Este Esta Estes Estas Esse Essa "
            "Isso Isto Aquele Aquela Meu Minha Seu Sua Nosso Nossa Mas E Ou Então Depois Antes Quando Se Como Em "
            "No Na Nos Nas De Do Da Para Por Pelo Pela Com Sem Sobre Desde Até Que Quem Onde Porque Hoje Ontem "
            "Amanhã Aqui Ali Não Sim Também Já Tudo Todos Cada Muitos Ninguém Nada Assim Além Embora Enquanto Há "
            "É São Era Foi Foram Tem À Ao"
        ),
        unfinished=_words("o a os as um uma de do da dos das e ou que em no na para por com seu sua se é ao à"),
    ),
    "nl": LanguageRules(
        never=_words(
            "dhr mw mevr mej dr drs prof ir ing mr ds gen kol kap lt st m.a.w bijv bv d.w.z o.a i.v.m t.o.v m.b.t "
            "z.g zgn vgl ca resp incl excl evt"
        ),
        before_number=_words(
            "nr nrs blz p pp fig hfst art afb deel tel ed vol jan feb mrt apr jun jul aug sep sept okt nov dec km "
            "kg cm mm min sec"
        ),
        maybe=_words("enz etc e.d e.a B.V N.V Inc Ltd Co al jan feb apr jun jul aug sept okt nov dec v.Chr n.Chr str"),
        starters=_words(
            "De Het Een Hij Zij Ze We Wij Ik Jij Je U Jullie Dit Dat Deze Die Mijn Zijn Haar Ons Onze Hun Maar En "
            "Of Want Dus Dan Toen Daarna Daar Hier Er Als Wanneer Omdat Hoewel In Op Aan Bij Met Naar Na Voor Uit "
            "Over Door Zonder Sinds Om Te Tot Wat Wie Waar Waarom Hoe Vandaag Gisteren Morgen Nu Ook Nog Niet Nee "
            "Ja Alle Alles Elke Ieder Iedereen Veel Niemand Niets Zo Later Toch Is Was Waren Heeft Kan Bovendien"
        ),
        unfinished=_words("de het een van te in op aan bij met naar voor uit en of dat die zijn haar hun is"),
    ),
    "pl": LanguageRules(
        never=_words(
            "p dr prof inż mgr hab doc gen płk mjr kpt por sierż ks bp abp św tzw tzn np m.in ok ul al pl os im "
            "red reż zob wg ww cd"
        ),
        before_number=_words("nr s str t r rys tab rozdz art ust pkt poz tel vol godz ok km kg cm mm min sek"),
        maybe=_words("itd itp r w wiek tys mln mld zł gr godz p.n.e n.e Inc Ltd Co S.A Sp ub br bm"),
        starters=_words(
            "Ten Ta To Te Ci On Ona Ono Oni One Ja Ty My Wy Jego Jej Ich Mój Moja Nasz Nasza Ale I A Lub Więc "
            "Potem Później Następnie Wtedy Kiedy Gdy Jeśli Jeżeli Jak W We Z Ze Na Do Od Po Przed Przez Dla Bez O "
            "Przy Pod Nad Za Co Kto Gdzie Dlaczego Dziś Dzisiaj Wczoraj Jutro Tu Tutaj Tam Nie Tak Też Już "
            "Wszyscy Wszystko Każdy Wielu Nikt Nic Jednak Jest Są Był Była Było Byli Ma Mają Czy Niech Oto Został"
        ),
        unfinished=_words("w z na do od po przed przez dla bez o i a lub że się jest który która"),
    ),
    "ru": LanguageRules(
        never=_words(
            "гр проф акад доц им ул пер пр просп пл д корп кв обл р-н с дер т.е т.к т.н напр ср см св о гн ген "
            "полк кап т тов ст пгт"
        ),
        before_number=_words(
            "№ стр с гл рис табл т п пп ст тел кв д вып изд ок янв февр апр авг сент окт нояб дек км кг мм мин сек"
        ),
        maybe=_words("г гг в вв т.д т.п др пр руб коп тыс млн млрд трлн ч н.э э род англ лат чел экз долл"),
        starters=_words(
            "Он Она Оно Они Мы Вы Я Ты Это Эта Этот Эти Тот Та То Те Его Её Ее Их Мой Моя Наш Наша Но И А Или "
            "Поэтому Потом Затем Тогда Когда Если Как Хотя В Во На С Со К Ко У О Об От До По За Под Над При Для "
            "Без Через После Перед Что Кто Где Почему Зачем Сегодня Вчера Завтра Здесь Там Тут Не Нет Да Также "
            "Уже Все Всё Каждый Многие Никто Ничего Однако Был Была Было Были Есть Пусть Вот Теперь Сейчас"
        ),
        unfinished=_words("в во на с со к у о об от до по за под при для без из и а но или что который его её их"),
    ),
    "sv": LanguageRules(
        never=_words(
            "dr prof hr fr ing kapt överste t.ex d.v.s dvs bl.a s.k m.a.o p.g.a f.d jfr ca resp inkl exkl ev sk St"
        ),
        before_number=_words(
            "nr s sid fig kap art bd tab tel vol kl jan feb mars apr jun jul aug sept okt nov dec st km kg cm mm "
            "min sek"
        ),
        maybe=_words("osv etc m.m m.fl o.s.v o.d Inc Ltd Co tkr mkr jan feb apr aug sept okt nov dec f.Kr e.Kr kr st"),
        starters=_words(
            "Den Det De En Ett Han Hon Vi Ni Jag Du Man Denna Detta Dessa Min Mitt Hans Hennes Deras Vår Vårt Men "
            "Och Eller Så Sedan Då När Om Eftersom Trots I På Av Till Från Med Efter Före För Utan Under Över Vid "
            "Vad Vem Var Varför Hur Idag Igår Imorgon Här Där Nu Inte Nej Ja Också Alla Allt Varje Många Ingen "
            "Inget Dock Är Har Kan Skulle Senare Dessutom"
        ),
        unfinished=_words("den det de en ett av till från med på i för och eller att som är om vid"),
    ),
    "da": LanguageRules(
        never=_words("dr prof hr fr f.eks dvs bl.a ca jf inkl ekskl evt s.k Skt St"),
        before_number=_words("nr s fig kap art bd tab tlf kl jan feb apr jun jul aug sept okt nov dec"),
        maybe=_words("osv etc m.m m.fl Inc Ltd Co kr mio mia f.Kr e.Kr"),
        starters=_words(
            "Den Det De En Et Han Hun Vi I Jeg Du Man Denne Dette Disse Min Hans Hendes Deres Vores Men Og Eller "
            "Så Derefter Da Når Hvis Fordi Selvom På Af Til Fra Med Efter Før For Uden Under Over Ved Hvad Hvem "
            "Hvor Hvorfor Her Der Nu Ikke Nej Ja Alle"
        ),
    ),
    "cs": LanguageRules(
        never=_words(
            "dr prof doc ing mgr bc mudr judr phdr p pan sv tzv tj např resp popř ul nám gen plk kpt mjr hl viz"
        ),
        before_number=_words("č s str obr tab kap čl odst tel sv roč"),
        maybe=_words("atd apod aj r stol tis mil mld hod min př.n.l n.l s.r.o a.s Inc Ltd"),
        starters=_words(
            "Ten Ta To Ti On Ona Ono Oni Já Ty My Vy Jeho Její Jejich Můj Náš Ale A I Nebo Tak Pak Potom Když "
            "Pokud Jestli Jak V Ve Z Ze Na Do Od Po Před Pro Bez O Při Pod Nad Za Co Kdo Kde Proč Dnes Včera "
            "Zítra Tady Tam Ne Ano Také Už Všichni Každý Je Jsou Byl Byla Bylo Byli Má Mají"
        ),
    ),
    "tr": LanguageRules(
        never=_words("dr prof doç av sn bay alb gen yrd öğr vb örn bkz yak mah cad sok"),
        before_number=_words("no s sf şek tab c böl md tel"),
        maybe=_words("vb vs A.Ş Ltd Şti İng Fr dk sn M.Ö M.S yy"),
        starters=_words(
            "Bu Şu O Bir Ben Sen Biz Siz Onlar Ama Ve Veya Fakat Sonra Önce Eğer Çünkü Ne Kim Nerede Neden Nasıl "
            "Bugün Dün Yarın Burada Hayır Evet Her Bütün"
        ),
        ordinals=True,
    ),
    "el": LanguageRules(
        never=_words("κ κα δρ π.χ δηλ βλ αγ"),
        maybe=_words("κ.λπ κλπ κ.ά π.Χ μ.Χ χλμ"),
        starters=_words("Ο Η Το Οι Τα Ένας Μια Αυτός Αυτή Αυτό Και Αλλά Αν Όταν Εγώ Εσύ Εμείς Δεν"),
        marks=";",
    ),
    "hy": LanguageRules(marks=":"),
}
_RULES["sk"] = _RULES["cs"]
_RULES["nb"] = _RULES["no"] = _RULES["nn"] = _RULES["da"]
