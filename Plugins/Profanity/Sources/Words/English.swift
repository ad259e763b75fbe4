// English.

extension WordList {
    static let english = WordList(
        """
        1 damn, damned, dammit, damnit, goddamn, goddamned, goddammit, hell no, what the hell, go to hell, crap
        1 crappy, piss, pissed, pissing, arse, ass, asses, dick, dicks, cock, cocks, tits, titties, boobs
        1 bollocks, bugger, bloody hell, screw you, sucks balls, jerk off, wank, wanking, knob, prick, pricks
        1 slut, sluts, slutty, bastard, bastards, douche, douchebag, douchebags, turd, turds, fart face, wtf
        1 butthead, bonehead, pussy, pussies, whore, whores
        2 fuck*, fucc, fuk, fukk, fuking, fukin, fukking, fcuk, fcking, fvck, fuq, phuck, phuk, effing, frigging
        2 motherfuck*, mothafuck*, muthafuck*, mofo, mofos, clusterfuck*, mindfuck*, unfuck*
        2 abso fucking lutely, shit, shits, shitty, shitter, shitting, shithead*, shithole*, shitface*
        2 shitload*, shitshow, shitstorm, shite, bullshit*, horseshit, dipshit*, batshit, apeshit, dogshit
        2 chickenshit, jackshit, sh1t, shyt, biatch, asshole*, arsehole*, asshat*, asswipe*, assface, asslick*
        2 jackass*, dumbass*, smartass*, fatass*, badass*, lardass, kiss my ass, kick your ass, my ass
        2 lick my ass, shove it up your ass, bitch, bitches, bitching, bitchy, bitchass, biotch, son of a bitch
        2 sons of bitches, sonofabitch, bitch slap*, dickhead*, dickface, dickwad, suck my dick, eat a dick
        2 cocksuck*, cockhead, suck my cock, blowjob*, blow job, handjob*, hand job, rimjob*, cumshot*, cum slut
        2 jizz, wanker*, tosser*, twat, twats, bellend, knobhead*, piss off, pissoff, piss you off, bugger off
        2 sod off, skank, skanks, skanky, pussy ass, eat my pussy, horny slut, dirty whore, cheap whore
        2 whoreson, stfu, gtfo, wtf you, milf, gangbang*
        3 cunt, cunts, cunty, cuntface, nigger*, nigga, niggas, niggaz, niglet, faggot*, fag, fags, faggy
        3 dyke bitch, tranny, trannies, shemale*, kike, kikes, spic, spics, wetback*, beaner*, chink, chinks
        3 gook, gooks, paki, pakis, raghead*, towelhead*, sand nigger*, coon ass, porch monkey*, jungle bunny
        3 kaffir*, abo scum, gyppo*, you retard, what a retard, fucking retard, bunch of retards, retarded idiot
        3 libtard*, fucktard*, spastic idiot, mongoloid idiot
        """,
        innocent: """
            cock and bull, cock a doodle doo, cock a leekie, cock pheasant, cock robin, pussy willow,
            pussy willows             pussy cat, pussy cats, pussy riot, tits and warblers, great tits,
            blue tits, coal tits, marsh tits, willow tits             dick cheney, dick van dyke, moby dick,
            philip k dick, dick tracy, dick turpin, tom dick and harry, spotted dick             spic and span,
            kaffir lime, kaffir limes, fick and fleck, spick and span, badass, chink in the armour,
            chink in the armor, chink of light, slut shaming             weather cock, stop cock, ball cock,
            wild ass, wild asses, balaam's ass, bastard wing, bastard file, prick test             pricks up,
            prick up, prick your finger, door knob, knob of butter, volume knob, fag end
            """)
}
