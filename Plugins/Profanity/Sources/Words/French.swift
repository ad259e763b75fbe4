// French.

extension WordList {
    static let french = WordList(
        """
        1 zut alors, mince alors, crotte, fesses, cul, nichons, nichon, pisser, pisse, conneries, connerie
        1 bordel, crétin, crétine, abruti, abrutie, abrutis, débile mental, ta gueule, ferme ta gueule
        1 gueule de bois, casse toi, dégage connard, emmerder, emmerde, emmerdes, emmerdant, emmerdeur
        1 emmerdeuse, chiant, chiante, chier, cocu, garce, garces
        2 merde, merdes, merdeux, merdique, merdiques, démerde toi, putain, putains, pute, putes, fils de pute
        2 fille de pute, connard, connards, connasse, connasses, conard, conards, conasse, sale con, gros con
        2 pauvre con, sale conne, espèce de con, quel con, bande de cons, enculé, enculés, enculer, encule
        2 enculés de ta race, enfoiré, enfoirés, salope, salopes, saloperie, salopard, salopards, trou du cul
        2 trous du cul, lèche cul, lèche bottes du cul, va te faire foutre, va te faire enculer
        2 allez vous faire foutre, je m'en fous de ta gueule, foutre, branleur, branleurs, branleuse, branler
        2 branlette, bâtard, bâtards, nique ta mère, niquer, nique, niqué, suce ma bite, ma bite, grosse bite
        2 couilles, couille, couillon, couillons, casse couilles, va chier, fais chier, chieur, chieuse
        2 fils de chien, ordure humaine, sac à merde, tête de noeud, pétasse, pétasses, poufiasse, pouffiasse
        2 grognasse
        3 nègre, nègres, sale négro, sales négros, négresse, bougnoule, bougnoules, bicot, bicots, youpin
        3 youpins, youtre, crouille, sale pédé, gros pédé, tapette, tapettes, tarlouze, tarlouzes, fiotte
        3 fiottes, gouine, gouines, sale arabe, sale juif, sale noir, chinetoque, chinetoques, bamboula, niakoué
        3 niakoués, romano de merde, enculé de ta mère, mongol de merde
        """,
        innocent: """
            tapette à souris, tapettes à souris, tapette à mouches, cul de sac, culs de sac, cul de jatte,
            cul sec
            """)
}
