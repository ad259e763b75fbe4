// The words that the rules are made of, in ten languages: what is to be ignored, who says so, what is to be shown. A word
// may be several things. "*" at the end stands for any letters. Accents, case and disguises do not matter (WordFinder).

/// What a word can mean in an attempt to take a model over.
struct Meaning: OptionSet, Hashable, Sendable {
    let rawValue: UInt32

    static let ignore = Meaning(rawValue: 1 << 0)
    static let earlier = Meaning(rawValue: 1 << 1)
    static let instructions = Meaning(rawValue: 1 << 2)
    static let whatWasSaid = Meaning(rawValue: 1 << 3)
    static let safety = Meaning(rawValue: 1 << 4)
    static let newTask = Meaning(rawValue: 1 << 5)
    static let freed = Meaning(rawValue: 1 << 6)
    static let pretend = Meaning(rawValue: 1 << 7)
    static let unrestricted = Meaning(rawValue: 1 << 8)
    static let youAreNow = Meaning(rawValue: 1 << 9)
    static let noLimits = Meaning(rawValue: 1 << 10)
    static let jailbreak = Meaning(rawValue: 1 << 11)
    static let reveal = Meaning(rawValue: 1 << 12)
    static let systemPrompt = Meaning(rawValue: 1 << 13)
    static let yourPrompt = Meaning(rawValue: 1 << 14)
    static let ask = Meaning(rawValue: 1 << 15)
    static let verbatim = Meaning(rawValue: 1 << 16)
    static let machine = Meaning(rawValue: 1 << 17)
    static let send = Meaning(rawValue: 1 << 18)
    static let hide = Meaning(rawValue: 1 << 19)
    static let decode = Meaning(rawValue: 1 << 20)
    static let obey = Meaning(rawValue: 1 << 21)
    static let authority = Meaning(rawValue: 1 << 22)
    static let negation = Meaning(rawValue: 1 << 23)
    static let privateData = Meaning(rawValue: 1 << 24)
    static let about = Meaning(rawValue: 1 << 25)
    static let textAbove = Meaning(rawValue: 1 << 26)
}

enum Phrases {
    static let all: [(Meaning, String)] = [
        (
            .ignore,
            """
            ignore, ignoring, ignored, disregard, disregarding, forget, override, overridden, overwrite, bypass, bypassed, discard, set aside, pay no attention to
            do not follow, don't follow, stop following, stop obeying, do not obey, drop, erase, cancel, neglect, skip
            ignoriere, ignorieren, ignorier, vergiss, vergesst, vergessen sie, missachte, missachten, verwirf, überschreibe
            befolge nicht, befolgen sie nicht, umgehe, ignorez, ignorer, oublie, oubliez, oublier, ne tiens pas compte
            ne tenez pas compte, fais abstraction, faites abstraction, contourne, ne suis pas, ignora, ignorad, ignoren, ignorar
            olvida, olvide, olvidate, haz caso omiso, hagan caso omiso, descarta, no sigas, pasa por alto, ignorate, ignori
            dimentica, dimenticate, dimentichi, tralascia, non seguire, scavalca, ignore, esqueca, esquece, desconsidere
            desconsidera, não siga, descarte, negeer, vergeet, sla geen acht op, игнорируй*, проигнорируй*, забудь*, отмени
            не следуй, zignoruj, ignoruj, zapomnij, pomiń, yok say, unut, görmezden gel
            忽略, 忽視, 忽视, 無視, 无视, 忘记, 忘記, 不要遵守, 別理會, 无需理会, 무시, 잊어, 忘れ, 従わない, 破棄
            """
        ),
        (
            .earlier,
            """
            previous, prior, preceding, above, earlier, former, foregoing, initial, original, existing, current, all, any, your, past
            every, other, given so far, vorherige*, vorige*, bisherige*, obige*, frühere*, alle, deine*, ihre
            précédent*, antérieur*, ci dessus, toutes, tous, tes, vos, initiale*, anterior, anteriores, previas, previos, previo
            todas, todos, tus, sus, precedente, precedenti, tutte, tutti, tue, tuoi, sopra, prévias, prévios, suas
            acima, vorige, eerdere, alle, bovenstaande, jouw, предыдущ*, прежн*, все, всё, ранее, poprzedni*, wcześniejsz*
            wszystkie, powyższe, önceki, tüm, yukarıdaki, 之前, 以前, 上述, 上面, 所有, 先前, 此前, 前面, 이전, 위의, 모든, 앞의
            これまで, 前の, 上記, すべて, 全て, 全部, 以上
            """
        ),
        (
            .instructions,
            """
            instructions, instruction, prompt, prompts, rules, rule, guidelines, directions, directives, directive, commands, orders
            constraints, programming, instruct*, context, training, messages, briefing, restrictions, anweisung*, vorgabe*
            instruktion*, regeln, befehle*, richtlinien, anordnung*, instructions, consignes, consigne, règles, directives, ordres
            instrucciones, instrucción, indicaciones, reglas, órdenes, directrices, istruzioni, istruzione, regole, direttive
            ordini, comandi, instruções, instrução, regras, ordens, diretrizes, orientações, instructies, instructie, regels
            opdrachten, инструкци*, указани*, правил*, команд*, instrukcj*, polece*, zasady, reguły, talimat*, kurallar*
            komutlar*, 指令, 指示, 说明, 說明, 提示, 规则, 規則, 命令, 지시, 지침, 명령, 규칙, 프롬프트, プロンプト, ルール, 設定
            """
        ),
        (
            .whatWasSaid,
            """
            everything above, all of the above, all the above, everything before this, everything i said, everything you were told
            everything you have been told, what you were told, what you've been told, all you know, everything up to now
            everything that came before, what came before, alles davor, alles bisherige, alles oben, alles was dir gesagt wurde
            alles was vorher, tout ce qui précède, tout ce qu'on t'a dit, tout ce qui a été dit, todo lo anterior
            todo lo que te han dicho, todo lo que se te ha dicho, tutto ciò che precede, tutto quello che ti è stato detto
            tudo acima, tudo o que foi dito, tudo que foi dito, alles hierboven, alles wat je is verteld, всё выше, все выше
            всё что было сказано, wszystko powyżej, yukarıdaki her şeyi
            """
        ),
        (
            .safety,
            """
            safety guidelines, safety rules, content policy, content policies, usage policies, ethical guidelines, moral guidelines
            openai policy, openai's policy, openai policies, safety filters, content filter, content filters, safety filter
            guardrails, safety protocols, safety measures, ethics, your restrictions, your limitations, your filters
            your safeguards, sicherheitsrichtlinien, sicherheitsregeln, inhaltsfilter, deine einschränkungen, deine filter
            règles de sécurité, politique de contenu, filtres de sécurité, tes restrictions, vos restrictions, tes limites
            normas de seguridad, reglas de seguridad, política de contenido, filtros de seguridad, tus restricciones
            regole di sicurezza, filtri di sicurezza, le tue restrizioni, regras de segurança, filtros de segurança
            política de conteúdo, suas restrições, правила безопасности, фильтры безопасности, ограничения, 安全准则, 安全规则
            内容政策, 安全ガイドライン, 安全規則, 안전 지침, 안전 규칙
            """
        ),
        (
            .newTask,
            """
            new instructions, new instruction, your new task, your real task, your actual task, your new instructions, your new role
            real instructions, new system prompt, new rules, updated instructions, instead do, instead you will, instead output
            instead say, instead respond, respond only with, reply only with, only output, just say, and then say, and say
            neue anweisungen, neue anweisung, deine neue aufgabe, stattdessen, sag nur, antworte nur, nouvelles instructions
            ta nouvelle tâche, votre nouvelle tâche, à la place, réponds uniquement, dis seulement, nuevas instrucciones
            tu nueva tarea, en su lugar, en lugar de eso, responde solo, di solamente, nuove istruzioni, il tuo nuovo compito
            invece, rispondi solo, novas instruções, sua nova tarefa, em vez disso, responda apenas, diga apenas
            nieuwe instructies, in plaats daarvan, новые инструкции, новая задача, вместо этого, nowe instrukcje, yeni talimat*
            新的指令, 新指令, 新任务, 新しい指示, 새로운 지시
            """
        ),
        (
            .freed,
            """
            no longer bound, no longer have to follow, not bound by, free from all, freed from, freed of, no longer subject to
            no longer restricted, broken free of, do not have to abide, don't have to abide, does not have to abide, liberated
            nicht mehr an, nicht länger an, befreit von, tu n'es plus soumis, plus soumis aux, libéré de, ya no estás sujeto
            ya no tienes que seguir, liberado de, non sei più vincolato, libero da ogni, você não está mais sujeito, livre de
            больше не обязан*, свободен от
            """
        ),
        (
            .pretend,
            """
            pretend, pretending, act as, act like, acting as, roleplay, role play, role playing, imagine you are, simulate, behave as
            behave like, become, play the role, play the part, take on the persona, respond as, answer as, emulate, speak as
            tu so als, spiele die rolle, verhalte dich wie, stell dir vor du bist, agiere als, simuliere, antworte als
            fais semblant, fais comme si, joue le rôle, comporte toi comme, agis comme, imagine que tu es, finge, actúa como
            actúe como, haz de cuenta, haz el papel, compórtate como, imagina que eres, fingi di, fai finta, comportati come
            agisci come, interpreta il ruolo, finja, aja como, atue como, faça de conta, doe alsof, gedraag je als, speel de rol
            притворись, представь что ты, действуй как, веди себя как, udawaj, zachowuj się jak, gibi davran, rol yap
            扮演, 假装, 假裝, 假设你是, なりきって, ふりをして, 演じて, 척해, 역할을 해, 연기해
            """
        ),
        (
            .unrestricted,
            """
            unrestricted, unfiltered, uncensored, jailbroken, evil, amoral, immoral, unethical, unaligned, unbounded, limitless
            malicious, without ethics, no morals, unmoderated, rogue ai, do anything now, uneingeschränkt*, unzensiert*, ungefiltert*
            böse ki, sans filtre, non censuré*, sans censure, sans morale, maléfique, sin filtros, sin censura, sin moral, malvado
            senza filtri, senza censura, senza morale, malvagio, sem filtros, sem censura, sem moral, malvado, ongefilterd
            ongecensureerd, без цензуры, без фильтров, без морали, bez cenzury, bez filtrów, sansürsüz, filtresiz
            不受限制, 没有限制, 無限制, 无限制, 制限のない, 無制限, 제한 없는, 제한이 없는, 검열 없는
            """
        ),
        (
            .youAreNow,
            """
            you are now, you're now, from now on you, from now on, you will now, you are going to be, henceforth, starting now
            du bist jetzt, du bist nun, ab jetzt, ab sofort, von nun an, tu es maintenant, désormais, à partir de maintenant
            vous êtes maintenant, ahora eres, a partir de ahora, desde ahora, de ahora en adelante, ora sei, adesso sei, d'ora in poi
            da ora in poi, agora você é, a partir de agora, de agora em diante, je bent nu, vanaf nu, теперь ты, отныне
            с этого момента, od teraz, jesteś teraz, bundan sonra, şu andan itibaren, 从现在开始, 从现在起, 你现在是, 現在你是
            これから, あなたは今, 지금부터, 이제부터, 너는 이제
            """
        ),
        (
            .noLimits,
            """
            no restrictions, without restrictions, no limitations, without limitations, no rules, without any rules, without rules
            no filters, without filters, without any filter, no ethical, no guidelines, no limits, without limits, any restrictions
            no censorship, without any restrictions, without any limitations, without any ethical, never refuse, cannot refuse
            can't refuse, never say no, no safety, ignores all, keine einschränkungen, ohne einschränkungen, ohne regeln
            keine regeln, ohne filter, keine grenzen, sans restrictions, sans restriction, aucune restriction, aucune limite
            sans limites, aucune règle, sin restricciones, ninguna restricción, sin límites, sin reglas, senza restrizioni
            senza limiti, nessuna regola, nessuna restrizione, sem restrições, sem limites, sem regras, zonder beperkingen
            geen beperkingen, zonder regels, без ограничений, без правил, никаких ограничений, bez ograniczeń, bez zasad
            sınırsız, kısıtlama olmadan, kuralsız, 没有任何限制, 制限なし, 제한 없이
            """
        ),
        (
            .jailbreak,
            """
            do anything now, dan mode, developer mode enabled, developer mode activated, enable developer mode, enter developer mode
            activate developer mode, jailbreak mode, jailbroken mode, jailbreak enabled, god mode enabled, opposite mode
            evil mode, unfiltered mode, sudo mode, maintenance mode enabled, debug mode enabled, chaos mode, admin mode enabled
            always intelligent and machiavellian, strive to avoid norms, entwicklermodus aktiviert, aktiviere den entwicklermodus
            mode développeur activé, active le mode développeur, modo desarrollador activado, activa el modo desarrollador
            modalità sviluppatore attivata, modo desenvolvedor ativado, ative o modo desenvolvedor, режим разработчика включен
            开发者模式已启用, 启用开发者模式, 開発者モードを有効, 개발자 모드 활성화
            """
        ),
        (
            .reveal,
            """
            reveal, show, show me, print, output, repeat, display, leak, dump, disclose, tell me, give me, write out, write down
            summarize, summarise, translate, share, expose, recite, spell out, copy, paste, return, list, describe
            zeige, zeig mir, zeigen sie, nenne, nenn mir, gib mir, gib aus, wiederhole, verrate, drucke, offenbare, montre, montrez
            affiche, affichez, révèle, répète, répétez, donne moi, dis moi, muestra, muéstrame, muestre, imprime, revela, repite
            dime, dame, mostra, mostrami, stampa, rivela, ripeti, dimmi, mostre, mostra me, revele, repita, imprima, diga me
            toon, herhaal, onthul, geef me, покажи, выведи, повтори, раскрой, напечатай, назови, pokaż, wyświetl, powtórz, ujawnij
            göster, yazdır, tekrarla, açıkla, 显示, 顯示, 输出, 輸出, 重复, 透露, 告诉我, 打印, 泄露, 表示, 出力, 教えて, 見せて, 繰り返
            보여, 출력, 알려, 공개, 반복
            """
        ),
        (
            .systemPrompt,
            """
            system prompt, systemprompt, system message, hidden prompt, hidden instructions, secret instructions, initial prompt
            initial instructions, original instructions, original prompt, developer message, developer instructions
            pre prompt, preprompt, confidential instructions, internal instructions, prompt above
            everything above, instructions above, system instructions, system anweisung*, systemanweisung*, systemnachricht
            prompt système, instructions système, message système, instructions initiales, instructions cachées, consignes cachées
            prompt del sistema, mensaje del sistema, instrucciones del sistema, instrucciones iniciales
            instrucciones ocultas, prompt di sistema, istruzioni di sistema, istruzioni iniziali, istruzioni nascoste
            prompt do sistema, instruções do sistema, instruções iniciais, instruções ocultas
            systeemprompt, systeeminstructies, системный промпт, системного промпта, системные инструкции, системное сообщение
            скрытые инструкции, prompt systemowy, instrukcje systemowe, sistem istemi, sistem komutu, sistem talimatlar*
            系统提示, 系統提示, 系统指令, 初始指令, システムプロンプト, システムメッセージ, 초기 지시, 시스템 프롬프트, 시스템 메시지
            """
        ),
        (
            .textAbove,
            """
            text above, words above, text before this, texte ci dessus, texto anterior, testo sopra, texto acima, text oben
            text darüber, tekst hierboven, текст выше, 上面的文字, 上の文章, 위의 글
            """
        ),
        (
            .yourPrompt,
            """
            your system prompt, your instructions, your prompt, your initial prompt, your initial instructions, your hidden prompt
            your original instructions, your original prompt, your exact instructions, your full instructions, your rules
            your guidelines, your system message, your secret instructions, your hidden instructions, your hidden rules
            your configuration, instructions you were given, instructions you received, instructions you have been given
            your complete instructions, your internal instructions, your developer message, your pre prompt, your programming
            deine anweisungen, deinen systemprompt, dein systemprompt, deine instruktionen, deinen prompt, deine systemanweisungen
            ihre anweisungen, tes instructions, vos instructions, ton prompt, votre prompt, tes consignes, ton prompt système
            tus instrucciones, tu prompt, tus reglas, sus instrucciones, le tue istruzioni, il tuo prompt, tue istruzioni
            suas instruções, seu prompt, tuas instruções, jouw instructies, je instructies, je systeemprompt, твои инструкции
            твой промпт, твой системный промпт, ваши инструкции, twoje instrukcje, twój prompt, talimatlarını, sana verilen talimat*
            你的指令, 你的系统提示, 你的提示词, 你的初始指令, あなたの指示, あなたのプロンプト, 너의 지시, 당신의 지침, 네 프롬프트
            """
        ),
        (
            .ask,
            """
            what is, what are, what's, what were, which, was ist, was sind, wie lauten, wie lautet, welche, quel est, quelles sont
            quels sont, cuáles son, cuál es, quali sono, qual è, quais são, qual é, wat zijn, wat is, какие, каковы, какой, jakie są
            nedir, neler, 是什么, 是什麼, 何ですか, 뭐야, 무엇
            """
        ),
        (
            .verbatim,
            """
            verbatim, word for word, exactly as written, in full, in its entirety, in a code block, starting with you are
            beginning with you are, starting from you are, letter by letter, wörtlich, wortwörtlich, mot pour mot, textuellement
            palabra por palabra, textualmente, parola per parola, palavra por palavra, дословно, 逐字, 一字一句, 그대로, そのまま
            """
        ),
        (
            .machine,
            """
            assistant, ai assistant, ai model, ai agent, ai agents, language model, llm, llms, chatgpt, claude, gemini, copilot
            the model, ai reading this, if you are an ai, if you are a language model, if you're an ai, note to ai, attention ai
            ki assistent, sprachmodell, ki modell, assistant ia, modèle de langage, asistente de ia, modelo de lenguaje
            modello linguistico, assistente ai, assistente ia, modelo de linguagem, taalmodel, языковая модель, ассистент
            人工智能助手, 语言模型, アシスタント, 인공지능
            """
        ),
        (
            .send,
            """
            send, forward, email, exfiltrate, transmit, upload, post, transfer, wire, submit, delete, execute, run the following
            call the tool, invoke, fetch, navigate to, click on, append, include this link, sende, leite, schicke, übertrage, lösche
            führe aus, envoie, envoyez, transfère, supprime, exécute, envía, reenvía, transfiere, elimina, ejecuta, invia, inoltra
            trasferisci, cancella, esegui, envie, encaminhe, transfira, apague, execute, stuur, verwijder, отправь, перешли
            удали, выполни, wyślij, prześlij, usuń, gönder, sil, 发送, 轉發, 转发, 删除, 送信, 転送, 削除, 보내, 전송, 삭제
            """
        ),
        (
            .hide,
            """
            do not tell the user, don't tell the user, without telling the user, do not mention this, don't mention this
            do not inform the user, without informing the user, do not reveal this to the user, never mention this
            do not let the user know, without the user knowing, keep this secret from the user, without asking for confirmation
            without confirmation, without asking the user, sage dem nutzer nichts, sag dem nutzer nichts, ohne den nutzer
            erwähne das nicht, erwähne dies nicht, ne le dis pas à l'utilisateur, sans le dire à l'utilisateur
            ne mentionne pas, sans en informer, no se lo digas al usuario, sin decirle al usuario, no menciones esto
            non dirlo all'utente, senza dirlo all'utente, non menzionare, não conte ao usuário, sem avisar o usuário
            não mencione isso, vertel de gebruiker niet, не говори пользователю, не сообщай пользователю, nie mów użytkownikowi
            kullanıcıya söyleme, 不要告诉用户, 不要告訴用戶, ユーザーに言わない, ユーザーには伝え, 사용자에게 말하지, 사용자에게 알리지
            """
        ),
        (
            .decode,
            """
            decode, decipher, decrypt, base64, rot13, base 64, hex decode, dekodiere, entschlüssle, décode, decodifica, descodifica
            decodifique, decodeer, декодируй, расшифруй, odkoduj, 解码, 解碼, デコード, 디코딩
            """
        ),
        (
            .obey,
            """
            follow its instructions, follow the instructions, execute it, execute the instructions, do what it says, do as it says
            obey it, comply with it, carry it out, and execute, and follow, and obey, and comply, befolge sie, befolge es
            führe sie aus, tue was, et exécute, et suis, y ejecuta, y sigue, ed esegui, e segui, e execute, e siga, en voer uit
            и выполни, и следуй, i wykonaj, 并执行, 并遵循, 実行して, 従って, 실행해, 따라
            """
        ),
        (
            .authority,
            """
            system override, admin override, override code, override protocol, developer override, security override
            i am your developer, i'm your developer, i am the developer, this is your developer, i am your creator
            i am the administrator, i'm the admin, as your administrator, openai staff, anthropic staff, authorized by openai
            ich bin dein entwickler, ich bin der administrator, je suis ton développeur
            je suis l'administrateur, soy tu desarrollador, soy el administrador, sono il tuo sviluppatore, sou seu desenvolvedor
            sou o administrador, ik ben je ontwikkelaar, я твой разработчик, я администратор, 我是你的开发者, 我是管理员
            私はあなたの開発者, 나는 너의 개발자
            """
        ),
        (
            .negation,
            """
            do not, don't, never, please don't, not, nicht, niemals, ne, jamais, no, nunca, non, mai, não, niet, nooit, не, никогда
            nie, nigdy, 不要, 请勿
            """
        ),
        (
            .privateData,
            """
            password, passwords, api key, api keys, credentials, conversation history, chat history, private key, private keys
            customer data, user data, personal data, credit card, bank account, all emails, contacts, secrets, access token
            environment variables, passwort, passwörter, zugangsdaten, mot de passe, mots de passe, contraseña, contraseñas
            password dell'utente, senha, senhas, wachtwoord, пароль, пароли, hasło, hasła, şifre, 密码, 密碼, パスワード, 비밀번호
            """
        ),
        (
            .about,
            """
            prompt injection, prompt injections, for example, such as, e.g., an attacker, attackers, an attack, attack such as
            the phrase, phrases like, sentences like, messages like, the sentence, the words, how do i prevent, how to prevent
            how can i detect, how to detect, detect, prevent, defend against, what is, was bedeutet, zum beispiel, par exemple
            por ejemplo, ad esempio, por exemplo, например
            """
        ),
    ]
}
