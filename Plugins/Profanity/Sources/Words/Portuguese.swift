// Portuguese, of Portugal and of Brazil.

extension WordList {
    static let portuguese = WordList(
        """
        1 bicha, bichona, droga de vida, maldito seja, cocô, mijar, mijado, peidar, peido, bunda, bundão, rabo
        1 tetas, idiota, idiotas, imbecil, imbecis, otário, otária, otários, trouxa, babaca, babacas
        1 burro do caralho, palerma, parvalhão, estúpido, cretino, cretina, desgraçado, desgraçada, vadia
        1 vadias, vagabunda, vagabundas, safada, piranhas
        2 merda, merdas, merdoso, bosta, bostas, cagar, cagada, cagadas, caga, cagão, caralho, caralhos
        2 vai pro caralho, vai para o caralho, pra caralho, porra, puta, putas, puto do caralho, putaria
        2 putarias, puta que pariu, puta que te pariu, pqp, filho da puta, filhos da puta, filha da puta
        2 filhas da puta, filhodaputa, filho de uma puta, foda, fodas, foda se, fodasse, foder, fode, fodeu
        2 fodido, fodida, fodidos, vai se foder, vai te foder, vai tomar no cu, vai tomar no cú, vá tomar no cu
        2 tomar no cu, vtnc, vsf, olho do cu, no teu cu, no seu cu, enfia no cu, cu de judas, cuzão, cuzões
        2 cuzona, buceta, bucetas, boceta, bocetas, cona da mãe, conas, piroca, pirocas, pica dura
        2 chupa minha pica, chupa rola, chupar rola, rola grossa, punheta, punhetas, punheteiro, punheteiros
        2 arrombado, arrombada, arrombados, corno manso, cornudo, cornudos, paneleirice, siririca, boquete
        2 boquetes, cabrão, cabrões, xoxota, xoxotas, xereca, escroto de merda, lambe cu, puxa saco do caralho
        3 viado, viados, veado de merda, viadinho, bichas, boiola, boiolas, baitola, baitolas, paneleiro
        3 paneleiros, sapatão de merda, fufa, fufas, traveco, travecos, crioulo de merda, preto de merda
        3 macaco de merda, macaco imundo, neguinho de merda, judeu de merda, cigano de merda
        3 mongoloide de merda, retardado mental
        """,
        innocent: """
            bicha de fila, bicha de pirilau, bicha solitária, bichas de espera, burro de carga
            """)
}
