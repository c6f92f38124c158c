"""Words that everybody uses whatever they talk about, of a few languages: they say nothing of what a talk is about."""

from __future__ import annotations

_WORDS = {
    "en": """
        a about actually after all also am an and any are as at back be because been before being but by can
        cannot could did do does doing don done down each even every few first for from get gets getting go goes
        going gone good got had has have having he her here hers him his how i if in into is it its just kind
        know last let like little ll look lot made make many may maybe me mean mine more most much must my need
        never new next no not now of off oh ok okay on once one only or other our out over own people quite re
        really right said same say says see she should so some something still such sure take than that the
        their them then there these they thing things think this those through time to too two um uh under up us
        use very want was way we well went were what when where which while who why will with without would yeah
        yes yet you your
    """,
    "de": """
        aber alle alles als also am an andere auch auf aus bei bin bis bist da dabei dadurch dafur dagegen damit
        dann das dass dein dem den denn der des dessen dich die dies diese diesem diesen dieser dieses dir doch
        dort du durch eben eigentlich ein eine einem einen einer eines einfach er es etwas euch euer fur ganz
        gar geht genau gibt gut habe haben hast hat hatte hatten hier hin hinter ich ihm ihn ihnen ihr ihre
        ihrem ihren ihrer im immer in ins ist ja jede jeder jetzt kann kein keine konnen konnte machen mal man
        mehr mein meine mich mir mit muss mussen nach naturlich nein nicht nichts noch nun nur ob oder ohne
        schon sehr sein seine seinem seinen seiner sich sie sind so soll sollen sollte sondern sonst uber um und
        uns unser unsere unter viel vielleicht vom von vor wann war waren was weil weiter welche wenn wer werde
        werden wie wieder will wir wird wirklich wirst wo wurde wurden zu zum zur zwar zwei
    """,
    "fr": """
        ai alors apres as au aussi autre aux avant avec avez avoir avons bien bon car ce cela celle celui ces
        cet cette chez comme comment dans de des deux dire dit donc du elle elles en encore entre est et etait
        etes etre eu fait faire faut fois font hein il ils je la le les leur leurs lui ma mais me meme mes moi
        moins mon ne nos notre nous on ont ou oui par parce pas peu peut plus pour pourquoi qu quand que quel
        quelle qui quoi sa sans se sera ses si son sont sous suis sur ta te tes toi ton tous tout toute toutes
        tres tu un une va vais voila vos votre vous vraiment
    """,
    "es": """
        ahora al algo asi aunque bien bueno cada casi como con cual cuando de del desde donde dos el ella ellas
        ellos en entonces entre era eran es esa ese eso esta estaba estan estar este esto estoy fue ha hace
        hacer han has hasta hay he la las le les lo los mas me mi mis muy nada ni no nos nosotros o os otra otro
        para pero poco por porque pues que quien se sea ser si sido sin sobre solo son soy su sus tambien tan te
        tener tengo ti tiene tienen toda todo todos tu tus un una uno unos usted va vamos ver vez y ya yo
    """,
    "it": """
        abbiamo ad ai al alla alle allora anche ancora bene c che chi ci cioe come con cosa cosi da dai dal
        dalla de degli dei del della delle di dire dove due e ed era erano essere fa fare fatto gia gli ha hai
        hanno ho i il in io la le lei li lo loro lui ma me mi mia mio molto ne nei nel nella no noi non o ogni
        per perche piu poi poco quale quando quasi quella quello questa queste questi questo qui se sei si sia
        siamo siete solo sono sta stato su sua sul sulla suo te ti tra tu tua tuo tutti tutto un una uno va voi
        vuol
    """,
    "nl": """
        aan al alle alleen als altijd ben bij da daar dan dat de deze die dit doen door dus een eens en er ga
        gaan gaat geen gewoon goed had hadden hebben heb hebt heeft heel het hier hij hoe hun ik in is ja je jij
        jullie kan kunnen maar maken me meer men met mij mijn moet moeten na naar nee niet niets nog nu of om
        omdat ons onze ook op over te toch toen tot u uit van veel voor waar want waren was wat we weer wel werd
        wie wij wil worden wordt zal ze zei zich zij zijn zo zou
    """,
    "pt": """
        agora ai ainda ao aos aqui as assim ate bem cada com como da das de dela dele depois do dois dos e ela
        elas ele eles em entao entre era essa esse esta estao estar estava este eu fazer foi for gente ha isso
        isto ja la lhe mais mas me mesmo meu minha muito na nao nas nem no nos nossa nosso num o ou os para pela
        pelo pode por porque pra quando que quem sao se sem ser seu sim so sobre sua tambem te tem tenho ter teu
        toda todo todos tudo um uma vai vamos voce voces
    """,
    "ru": """
        а без более бы был была были было быть в вам вас весь во вот все всего всех вы где да даже для до его ее
        ей если есть еще же за здесь и из или им их к как какая какой когда кто ли либо мне мы на надо нам нас
        не него нее нет ни них но ну о об один он она они оно от очень по под при с сам свое себя со так также
        такой там то того тоже только том ты у уже хотя чего чем что чтобы это этого этой этом этот эту я
    """,
}
STOP_WORDS: dict[str, frozenset[str]] = {language: frozenset(words.split()) for language, words in _WORDS.items()}
"""By language, folded as `tokens.fold` does it."""
EVERY = frozenset().union(*STOP_WORDS.values())

OF_RUNS = frozenset("的了是我你他她它们这那在有和不就也都吗呢啊吧会说要个上下来去到为与之们")
"""Characters that hold Chinese sentences together."""
