// Italian.

extension WordList {
    static let italian = WordList(
        """
        1 troia, troie, cavolo, accidenti a te, diamine, culo, culi, tette, tetta, cacca, cretino, cretina
        1 cretini, deficiente, deficienti, scemo, scema, idiota, idioti, rompiscatole, rompiballe, palle
        1 che palle, pirla, fesso, figa, figo della madonna, sfiga, sfigato, sfigata, pisciare, piscio, dannato
        1 dannata, porca miseria, porca vacca, porco cane, minchia
        2 merda, merde, merdoso, merdosa, di merda, pezzo di merda, faccia di merda, testa di merda, cazzo
        2 cazzi, cazzata, cazzate, cazzone, cazzoni, cazzuto, incazzato, incazzata, incazzati, incazzarsi
        2 testa di cazzo, teste di cazzo, faccia da culo, faccia di culo, col cazzo, che cazzo
        2 non me ne frega un cazzo, stronzo, stronza, stronzi, stronze, stronzata, stronzate, stronzetto
        2 vaffanculo, vaffa, fanculo, affanculo, vai a cagare, va a cagare, cagare, cagata, cagate, puttana
        2 puttane, puttaniere, puttanata, figlio di puttana, figli di puttana, figlia di puttana, zoccola
        2 zoccole, mignotta, mignotte, figlio di troia, bagascia, baldracca, coglione, coglioni, coglionata
        2 rompicoglioni, rompicazzo, bastardo, bastarda, bastardi, inculare, inculato, inculata, scopare la tua
        2 pompino, pompini, leccaculo*, rottinculo, rotto in culo, fottiti, fottere, fottuto, fottuta, fottuti
        2 succhiacazzi, porco dio, porcodio, dio cane, diocane, dio porco, dioporco, porca madonna
        2 madonna puttana, sborra, sborrare, segaiolo
        3 frocio, froci, frocetto, ricchione, ricchioni, finocchio di merda, culattone, culattoni, busone
        3 negro di merda, negri di merda, sporco negro, sporchi negri, sporco ebreo, sporca ebrea
        3 zingaro di merda, terrone di merda, terroni di merda, marocchino di merda, mongoloide di merda
        3 lesbica di merda
        """,
        innocent: """
            cavolo nero, cavolo cappuccio, cavolo verza, cavolo rapa, guerra di troia, cavallo di troia,
            palle di neve, elena di troia
            """)
}
