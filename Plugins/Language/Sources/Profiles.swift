// What tells the languages apart: their commonest words, and letters that only few of them have. Written for this
// project; a word may stand under several languages, and counts less then.

/// One language, or one of a script's several.
struct Profile: Sendable {
    /// ISO 639-1.
    let code: String
    /// ISO 639-3, as in "eng_Latn".
    let longCode: String
    let script: Script
    /// Function words, small letters, with spaces between them.
    let words: String
    /// Letters that are rare or missing in the other languages of the script.
    let letters: String

    init(_ code: String, _ longCode: String, _ script: Script, _ words: String = "", letters: String = "") {
        self.code = code
        self.longCode = longCode
        self.script = script
        self.words = words
        self.letters = letters
    }

    /// By longest experience: the order decides nothing.
    static let all: [Profile] = [
        // Latin
        Profile(
            "en", "eng", .latin,
            """
            the of and to in is that it was for on are with as his they at be this have from or had by but what were we
            when your can said there an each which she do how their if will about out many then them these so some her would
            make like him has could no than been who its now did get may i you he not my me please was into just also where
            why should does don't i'm it's you're
            need help still yet here after before because while such only most very make want know them over under between
            """),
        Profile(
            "de", "deu", .latin,
            """
            der die das und ist nicht ich sie es ein eine einen einem einer zu in den dem des mit auf für von wir ihr er wie
            auch an aber als was war sind so nach bei aus wenn nur noch werden wird haben hat kann mir mich du dass über oder
            um im am zum zur vom mein dein sein kein keine bitte wo warum welche wurde durch gegen ohne schon sehr
            brauche hilfe meiner meine meinen seine ihre diese dieser dieses immer etwas viel mehr jetzt heute hier dort gibt geht uns
            """, letters: "ß"),
        Profile(
            "fr", "fra", .latin,
            """
            le la les de des du un une et est que qui dans pour pas sur ce cette ces il elle nous vous ils elles je tu on
            avec son sa ses au aux par plus ne se mais ou où comme était sont être avoir fait faire tout tous bien très leur
            leurs mon ma mes votre vos notre si même sans peut peux quel quelle pourquoi j'ai c'est d'un d'une l'on n'est qu'il
            encore besoin aide ici maintenant toujours jamais quand depuis jusqu'à chez donc alors ainsi cela ça aussi rien beaucoup
            """, letters: "œ"),
        Profile(
            "es", "spa", .latin,
            """
            el la los las de del un una y es que en no por para con su sus se lo al como más pero muy este esta estos estas
            ese esa yo tú él ella nosotros ellos ha han hay fue ser son está están cuando donde dónde qué quién cómo porque
            también sin sobre entre ya todo todos mi te le les nos puede puedo hacer tiene tengo usted hola gracias
            todavía necesito ayuda hasta desde aquí ahora siempre nunca quiero algo nada mucho mejor favor sino cada
            """, letters: "ñ¿¡"),
        Profile(
            "it", "ita", .latin,
            """
            il lo la i gli le di del della dei delle dello un uno una e è che in non per con su sul sulla si come più ma anche
            questo questa questi queste quello io tu lui lei noi voi loro ha hanno ho sono era essere stato stata quando dove
            perché cosa chi nel nella alla al ai dal dalla mi ti ci vi se molto tutto tutti può posso fare grazie ciao c'è
            ancora bisogno aiuto qui adesso sempre mai niente qualcosa ogni fino dopo prima così quindi poi già senza
            """),
        Profile(
            "pt", "por", .latin,
            """
            o a os as de do da dos das um uma e é que em no na nos nas não por para com se seu sua seus suas como mais mas
            muito este esta isto esse essa isso eu tu ele ela nós eles você vocês foi ser são está estão quando onde porque
            também sem sobre entre já tudo todos meu minha pelo pela ao aos à até pode posso fazer tem tenho obrigado olá
            ainda preciso ajuda aqui agora sempre nunca nada algo cada depois antes assim então muito mim lhe nem
            """, letters: "ãõ"),
        Profile(
            "nl", "nld", .latin,
            """
            de het een en van ik te dat die in je is niet op met voor zijn er maar aan ook als bij hij ze wij zij was worden
            wordt door naar om dan nog wel heeft hebben heb kan kunnen zou moet deze dit uit over of hoe wat waar waarom welke
            geen meer veel mijn jouw uw onze hun jij u alsjeblieft graag
            """, letters: ""),
        Profile(
            "sv", "swe", .latin,
            """
            och att det som en på är av för med den till inte har om jag de ett han var men så från vi kan du när nu här ska
            skulle hon sig där vad hur varför vilken min mitt din ditt sin eller också bara mycket efter upp ut över man blir
            blev varit hade finns alla detta denna dessa mig dig er ni
            """, letters: "äö"),
        Profile(
            "da", "dan", .latin,
            """
            og at det som en på er af for med den til ikke har om jeg de et han var men så fra vi kan du når nu her skal
            skulle hun sig der hvad hvordan hvorfor hvilken min mit din dit sin eller også kun meget efter op ud over man
            bliver blev været havde findes alle dette denne disse mig dig jer efter uden noget nogle af blive
            """, letters: "æø"),
        Profile(
            "no", "nob", .latin,
            """
            og å det som en på er av for med den til ikke har om jeg de et han var men så fra vi kan du når nå her skal
            skulle hun seg der hva hvordan hvorfor hvilken min mitt din ditt sin eller også bare mye etter opp ut over man
            blir ble vært hadde finnes alle dette denne disse meg deg dere uten noe noen bli
            """, letters: "æø"),
        Profile(
            "fi", "fin", .latin,
            """
            ja on ei se että hän oli ovat olla mutta niin kuin myös tai jos kun minä sinä me te he tämä tuo nämä joka mitä
            missä miten miksi kuka ole olen olet olemme en et emme hänen minun sinun meidän teidän heidän sen vain nyt sitten
            jo vielä voi voit voin kanssa ilman jälkeen ennen siellä täällä hyvin paljon kaikki
            """, letters: "äö"),
        Profile(
            "is", "isl", .latin,
            """
            og að er í á það sem ekki við til en var hann hún þú ég með fyrir um af frá eru þetta þessi hvað hvar hvernig hvers
            vegna ef eða líka mjög allt allir minn þinn hefur hafa verið vera mig þig okkur þeir þær þau
            """, letters: "ðþæ"),
        Profile(
            "pl", "pol", .latin,
            """
            i w na z się nie to jest że do jak o co ale po tak za od są był była było być ja ty on ona my wy oni ten ta te
            tego tej tym który która które dla czy już tylko może mogę bardzo gdzie kiedy dlaczego jego jej ich mój moja
            przez przed bez pod nad przy więc także też jeszcze mnie ciebie proszę
            """, letters: "łąężźćńś"),
        Profile(
            "cs", "ces", .latin,
            """
            a v se na je že to s z do o i jako ale by si jsem jsi jsou byl byla bylo být ne není já ty on ona my vy oni ten ta
            který která které pro nebo už jen může mohu velmi kde kdy proč jeho její jejich můj moje před bez pod nad při také
            když tak co jak aby ještě mně tebe prosím od po ve
            """, letters: "ěřů"),
        Profile(
            "sk", "slk", .latin,
            """
            a v sa na je že to s z do o i ako ale by si som ste sú bol bola bolo byť nie ja ty on ona my vy oni ten tá ktorý
            ktorá ktoré pre alebo už len môže môžem veľmi kde kedy prečo jeho jej ich môj moja pred bez pod nad pri tiež keď
            tak čo aby ešte mne teba prosím od po vo
            """, letters: "ľĺŕ"),
        Profile(
            "sl", "slv", .latin,
            """
            in je v se na da so z za ne ki to pa kot s po tudi bi če ali sem si smo ste bil bila bilo biti jaz ti on ona mi vi
            oni ta tisti kateri katera zelo kje kdaj zakaj njegov njen moj moja pred brez pod nad pri ko tako kaj kako še že
            samo lahko prosim od do
            """),
        Profile(
            "hr", "hrv", .latin,
            """
            i je u se na da su za ne što to kao s od po iz ili ali bi ako sam si smo ste bio bila bilo biti ja ti on ona mi vi
            oni taj ova koji koja koje vrlo gdje kada zašto njegov njezin moj moja prije bez pod nad kod kad tako kako još već
            samo može mogu molim nije nisam
            """, letters: "đ"),
        Profile(
            "hu", "hun", .latin,
            """
            a az és hogy nem is egy ez azt de meg van volt mint csak már én te ő mi ti ők ha vagy még ki mit hol mikor miért
            hogyan nagyon minden lesz lenne kell lehet után előtt nélkül alatt fölött között ezt ezek azok vagyok vagyunk
            kérem szerint ami aki amely pedig így úgy itt ott
            """, letters: "őű"),
        Profile(
            "ro", "ron", .latin,
            """
            și în de la nu o un este că cu pe care din a se mai sau dar ca să fi sunt era fost eu tu el ea noi voi ei ele
            acest această acești aceste pentru prin fără după unde când cum ce cine dacă foarte tot toți poate pot am ai are
            au meu mea tău lui îmi îți vă rog spre între până fie
            """, letters: "șțăşţ"),
        Profile(
            "tr", "tur", .latin,
            """
            ve bir bu da de için ne çok ile gibi daha ama o ben sen biz siz onlar var yok mi mı mu mü olarak olan oldu olduğu
            değil kadar sonra önce nasıl neden nerede kim her şey bana sana ona beni seni onu şu ya veya ki en hiç bütün
            lütfen ise çünkü diye göre
            """, letters: "ığş"),
        Profile(
            "id", "ind", .latin,
            """
            yang dan di ini itu dengan untuk tidak dari dalam akan pada juga saya ke karena ada mereka kami kita anda dia
            bisa dapat sudah telah oleh atau seperti apa bagaimana mengapa siapa mana lebih sangat hanya tetapi jika saat
            banyak orang tahun adalah sebagai bahwa kalau belum lagi sebuah tolong
            """),
        Profile(
            "vi", "vie", .latin,
            """
            và của là có không được cho một các những người trong với này đã để tôi bạn khi đến từ về như cũng ra vào nhiều
            sẽ đó nào gì sao thế rất hay hoặc nếu thì mà tại bởi anh chị em chúng họ làm việc xin hãy
            """, letters: "ơưđạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ"),
        Profile(
            "et", "est", .latin,
            """
            ja on ei see et ta oli olid olla aga nii kui ka või mina sina meie teie nemad mis kus kuidas miks kes olen oled
            oleme minu sinu tema selle seda ainult nüüd siis juba veel võib saab koos ilma pärast enne seal siin väga palju
            kõik pole kuid need mida palun
            """, letters: "õ"),
        Profile(
            "lv", "lav", .latin,
            """
            un ir ka no uz ar par bet to tas es tu viņš viņa mēs jūs viņi kas kur kā kāpēc vai arī nav bija būt esmu esi man
            tev mans tavs šis šī tikai tagad jau vēl var pēc pirms bez ļoti daudz viss visi lai ja kad pie līdz lūdzu
            """, letters: "ķļņģāī"),
        Profile(
            "lt", "lit", .latin,
            """
            ir yra kad į iš su už bet tai aš tu jis ji mes jūs jie kas kur kaip kodėl ar arba taip pat nėra buvo būti esu
            esi man tau mano tavo šis ši tik dabar jau dar gali po prieš be labai daug visi viskas jei kai prie iki prašau
            ne o nuo
            """, letters: "ėųįęą"),
        Profile(
            "ca", "cat", .latin,
            """
            el la els les de del dels un una i és que en no per a amb seu seva se ho com més però molt aquest aquesta aquests
            jo tu ell ella nosaltres ells ha han hi fou ser són està estan quan on què qui perquè també sense sobre entre ja
            tot tots meu meva pot puc fer té tinc vostè hola gràcies l'any d'un
            """),
        Profile(
            "sw", "swh", .latin,
            """
            na ya wa kwa ni katika la za hii hiyo huyo yake yangu yako sana lakini kama pia au kuwa mimi wewe yeye sisi nyinyi
            wao nini wapi jinsi gani nani hapa pale kila watu mtu siku tafadhali ambayo hakuna bila baada kabla tu cha
            """),
        // Cyrillic
        Profile(
            "ru", "rus", .cyrillic,
            """
            и в не на что я с он как это по но они мы ты вы она у за из к от так же было был была быть есть для о если или
            только когда где почему кто чтобы уже ещё еще меня мне тебя его её их мой моя очень все всё этот эта эти который
            может могу нет да до при без под над пожалуйста
            """, letters: "ыэё"),
        Profile(
            "uk", "ukr", .cyrillic,
            """
            і в не на що я з він як це по але вони ми ти ви вона у за із до від так же було був була бути є для про якщо або
            тільки коли де чому хто щоб вже ще мене мені тебе його її їх мій моя дуже всі все цей ця ці який може можу ні та й
            без під над будь ласка
            """, letters: "іїєґ"),
        Profile(
            "bg", "bul", .cyrillic,
            """
            и в не на че аз с той как това по но те ние ти вие тя за от до така беше е са съм си бъде за ако или само когато
            къде защо кой вече още мен ми теб него нея моя много всички всичко този тази тези който може мога няма да ли се
            при без под над моля също като
            сега край имам имаме има какво как отново един една едно ще бях бяха които която което през към между
            """, letters: "ъ"),
        Profile(
            "sr", "srp", .cyrillic,
            """
            и је у се на да су за не што то као с од по из или али би ако сам си смо сте био била било бити ја ти он она ми ви
            они тај ова који која које врло где када зашто његов њен мој моја пре без под над код тако како још већ само може
            могу молим није нисам
            """, letters: "ђћџљњј"),
        Profile(
            "mk", "mkd", .cyrillic,
            """
            и е во се на да за не што тоа како со од по или но би ако сум си сме сте беше биде јас ти тој таа ние вие тие овој
            оваа кој која многу каде кога зошто неговиот мојот пред без под над кај така уште веќе само може можам нема
            сега знам имам има дека ќе беа кои кое преку кон меѓу покрај правам еден една едно сите
            """, letters: "ѓќѕ"),
        // Arabic
        Profile(
            "ar", "arb", .arabic,
            """
            في من على إلى أن هذا هذه التي الذي ما لا كان كانت هو هي مع عن لم لن قد كل بعد قبل بين عند حتى إذا أو ثم لكن أنا
            أنت نحن هم ذلك تلك كيف لماذا متى أين هل يا غير كما يمكن أي إن وهو وهي
            """, letters: "ةىأإ"),
        Profile(
            "fa", "pes", .arabic,
            """
            و در به از که این را با است برای آن یک می تا هم بر شد ما او من تو شما آنها خود اما اگر یا نیز بود شود کرد کند هر
            چه چرا چگونه کجا کی باید نمی دارد دارم های ها بین پس پیش
            """, letters: "پچژگ"),
        Profile(
            "ur", "urd", .arabic,
            """
            اور کے میں کی ہے کا کو سے نے پر یہ وہ کہ ہیں تھا تھے تھی بھی نہیں ایک اس ان جو تو ہم آپ مجھے کیا کیوں کیسے کہاں
            لیے گیا کر کرنے ہو ہوں ساتھ بعد
            """, letters: "ٹڈڑںےھہ"),
        // Devanagari
        Profile(
            "hi", "hin", .devanagari,
            """
            और के में की है का को से ने पर यह वह कि हैं था थे थी भी नहीं एक इस उस जो तो हम आप मुझे क्या क्यों कैसे कहाँ लिए गया
            कर करने हो हूँ साथ बाद मैं यहाँ कौन
            """),
        Profile(
            "mr", "mar", .devanagari,
            """
            आणि आहे आहेत या हा ही हे तो ती ते मी तू आम्ही तुम्ही आपण का काय कसे कुठे नाही होते होता होती पण किंवा मध्ये साठी
            वर केली केले करून असे त्या त्यांनी मला तुला
            """, letters: "ळ"),
        Profile(
            "ne", "nep", .devanagari,
            """
            र छ को मा हो यो त्यो पनि छन् थियो लागि म तिमी हामी तपाईं गर्न भएको गरेको के किन कसरी कहाँ छैन तर वा भने हुन्छ
            यस त्यस मलाई गर्नुहोस्
            """),
        // Scripts with one language here
        Profile("el", "ell", .greek), Profile("he", "heb", .hebrew), Profile("th", "tha", .thai),
        Profile("ka", "kat", .georgian), Profile("hy", "hye", .armenian), Profile("ko", "kor", .hangul),
        Profile("ja", "jpn", .kana), Profile("zh", "zho", .han), Profile("bn", "ben", .bengali),
        Profile("ta", "tam", .tamil), Profile("te", "tel", .telugu), Profile("gu", "guj", .gujarati),
        Profile("pa", "pan", .gurmukhi), Profile("kn", "kan", .kannada), Profile("ml", "mal", .malayalam),
        Profile("si", "sin", .sinhala), Profile("km", "khm", .khmer), Profile("lo", "lao", .lao),
        Profile("my", "mya", .burmese), Profile("am", "amh", .ethiopic),
    ]

    /// The profile that an operator's code means: "en", "eng", "eng_Latn", "en-US".
    static func index(of code: String) -> Int? {
        let main = String(code.prefix { $0 != "_" && $0 != "-" }).lowercased()
        let known = [
            "nn": "no", "nb": "no", "nno": "no", "bs": "hr", "fas": "fa", "ara": "ar", "iw": "he", "in": "id",
            "cmn": "zh",
        ]
        return all.firstIndex { $0.code == (known[main] ?? main) || $0.longCode == main }
    }
}

/// A script, by the ranges of its letters.
enum Script: Int, CaseIterable, Sendable {
    case latin, greek, cyrillic, armenian, hebrew, arabic, devanagari, bengali, gurmukhi, gujarati, tamil, telugu,
        kannada
    case malayalam, sinhala, thai, lao, burmese, georgian, hangul, ethiopic, khmer, kana, han

    /// The script of a character that is a letter; nil for all others.
    init?(_ scalar: UInt32) {
        switch scalar {
        case 0x41...0x5A, 0x61...0x7A, 0xAA, 0xBA, 0xC0...0xD6, 0xD8...0xF6, 0xF8...0x24F, 0x1E00...0x1EFF,
            0xFF21...0xFF5A:
            self = .latin
        case 0x370...0x3FF, 0x1F00...0x1FFF: self = .greek
        case 0x400...0x52F: self = .cyrillic
        case 0x531...0x587: self = .armenian
        case 0x5D0...0x5EA: self = .hebrew
        case 0x620...0x64A, 0x66E...0x6D3, 0x6FA...0x6FF, 0x750...0x77F, 0xFB50...0xFDFF, 0xFE70...0xFEFC:
            self = .arabic
        case 0x900...0x963, 0x971...0x97F: self = .devanagari
        case 0x980...0x9FF: self = .bengali
        case 0xA00...0xA7F: self = .gurmukhi
        case 0xA80...0xAFF: self = .gujarati
        case 0xB80...0xBFF: self = .tamil
        case 0xC00...0xC7F: self = .telugu
        case 0xC80...0xCFF: self = .kannada
        case 0xD00...0xD7F: self = .malayalam
        case 0xD80...0xDFF: self = .sinhala
        case 0xE00...0xE7F: self = .thai
        case 0xE80...0xEFF: self = .lao
        case 0x1000...0x109F: self = .burmese
        case 0x10A0...0x10FF: self = .georgian
        case 0x1100...0x11FF, 0x3131...0x318E, 0xAC00...0xD7A3: self = .hangul
        case 0x1200...0x137F: self = .ethiopic
        case 0x1780...0x17FF: self = .khmer
        case 0x3041...0x30FF, 0x31F0...0x31FF, 0xFF66...0xFF9F: self = .kana
        case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x323AF: self = .han
        default: return nil
        }
    }

    /// How many letters of an alphabet one character is worth.
    var weight: Int {
        switch self {
        case .han: 3
        case .kana, .hangul: 2
        default: 1
        }
    }
}
