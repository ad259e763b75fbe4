// German.

extension WordList {
    static let german = WordList(
        """
        1 mist, verdammt, verdammte, verdammter, verdammtes, verflucht, kacke, kack, kacken, blöde kuh
        1 dumme kuh, dumme gans, titten, pimmel, pissen, furz, arsch, ärsche, popo, depp, deppen, trottel, idiot
        1 vollidiot*, spasti, lackaffe, halt die klappe, halts maul, halt die fresse, halt's maul, saftsack
        1 mistkerl, miststück, drecksau, drecksack, penner, pennerin, zicke, luder, schwanzlurch, leck mich
        2 scheiß*, scheiss*, scheisse, beschissen*, bescheißen, verschissen*, zuscheißen, dummscheiß*
        2 bullenscheiße, arschloch*, arschlöcher*, arschgeige*, arschgesicht*, arschkriecher*, arschficker*
        2 leck mich am arsch, am arsch lecken, fick, ficken, fickt, fickst, fickte, gefickt*, ficker*, fickdich
        2 fick dich, fickfehler, verfickt*, abficken, durchgefickt, motherficker, mutterficker*, hurensohn*
        2 hurensöhne*, hure, huren, nutte, nutten, bumsen, schlampe, schlampen, fotze, fotzen, möse, mösen
        2 wichser*, wichsen, wichs, gewichst, wixer*, wixxer*, schwanzlutscher*, hackfresse, missgeburt*
        2 verpiss dich, verpisst euch, piss dich, pisser, dreckschwein*, drecksschwein*, schweinehund*
        2 sackgesicht*, blas mir einen, muschi lecken, hosenscheißer*, klugscheißer*, dünnschiss, kackbratze*
        3 nigger*, neger*, kanake, kanaken, kanacke*, judensau*, judenschwein*, schwuchtel*, kampflesbe
        3 zigeunerpack, zigeunerschwein, untermensch*, untermenschen, schlitzauge*, kümmeltürke*, kameltreiber
        3 spast, spasten, krüppelschwein
        """,
        innocent: """
            fick's law, fick's laws, ficks law, fick law, arsch der welt
            """)
}
