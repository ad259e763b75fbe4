// Spanish, of Spain and of Latin America.

extension WordList {
    static let spanish = WordList(
        """
        1 capullo, mamón, mamones, maldito, maldita, malditos, malditas, caca, culo, culos, tetas, teta, idiota
        1 idiotas, imbécil, imbéciles, tonto del culo, pendejada, pendejadas, joder, jode, jodes, cabrear
        1 huevón, huevona, boludo, boluda, boludos, pelotudo, pelotuda, pelotudos, carajo, al carajo, cojones
        1 cojonudo, puñetas, guarra, guarro, zorra, zorras, mear, meado
        2 mierda, mierdas, mierdoso, a la mierda, vete a la mierda, puta, putas, puto, putos, putada, putadas
        2 putero, hijo de puta, hijos de puta, hija de puta, hijas de puta, hijoputa, hijueputa, hijuepucha
        2 jueputa, hijo de perra, hijo de la chingada, tu puta madre, puta madre, la concha de tu madre
        2 concha tu madre, conchetumadre, reputa, coño, coños, coñazo, me cago en, me cago en dios, cagarse en
        2 cagada, cagadas, cagón, cabrón, cabrones, cabrona, gilipollas, gilipollez, comemierda*, tragamierda
        2 lameculos, soplapollas, chupapollas, chupa mi polla, mi polla, chupapijas, pendejo, pendejos, pendeja
        2 pendejas, chinga, chingar, chingada, chingado, chinga tu madre, chingatumadre, pinche puto
        2 pinche pendejo, vete al carajo, vete a tomar por culo, que te den por culo, por el culo, que te jodan
        2 jódete, jodete, jodido, jodida, jodidos, follar, follarte, fóllate, verga, vergas, mamaverga*, mamada
        2 mamadas, malparido*, malparida*, gonorrea hijueputa, carepicha, culero, culeros, pajero, pajeros
        2 zorra de mierda, malnacido*, perra sucia
        3 maricón, maricones, marica, maricas, mariconazo, bollera, bolleras, sudaca, sudacas, negrata, negratas
        3 moro de mierda, panchito de mierda, gitano de mierda, judío de mierda, negro de mierda
        3 indio de mierda, mongólico de mierda, retrasado de mierda, travelo, travelos
        """,
        innocent: """
            capullo de rosa, capullo de seda, capullo de alhelí, cojones de anca
            """)
}
