//! Words that stand above the columns of people's tables, in several languages: letters and digits alone, in lower case
//! and without accents. What a column is to become is decided elsewhere.

use super::imports::Target;

/// Headings that usually mean a field, without accents and signs. Among several phones the first names win.
#[rustfmt::skip]
pub(super) const HEADINGS: [(Target, &[&str]); 10] = [
    (
        Target::Field("phone"),
        &[
            "phonenumber", "phoneno", "mobile", "mobilephone", "mobilenumber", "mobilephonenumber",
            "mobileno", "cell", "cellphone", "cellphonenumber", "cellnumber", "msisdn", "e164",
            "phonee164", "handy", "handynummer", "handynr", "mobil", "mobilnummer", "mobilnr",
            "mobiltelefon", "mobilfunknummer", "portable", "telephoneportable", "telmobile", "mobiltel",
            "movil", "celular", "telefonomovil", "telefonocelular", "cellulare", "telemovel", "mobiel",
            "mobielnummer", "gsm", "whatsapp", "komorka", "telefonkomorkowy", "matkapuhelin", "мобильный",
            "мобильныйтелефон", "手机", "手机号", "手機", "携帯", "携帯電話", "primaryphone", "contactphone",
            "contactnumber", "contactno", "tel", "telno", "telnr", "telephone", "telephonenumber",
            "telephoneno", "telefon", "telefonnummer", "telefonnr", "rufnummer", "fon", "numero",
            "numerotelephone", "numerodetelephone", "numtel", "ndetelephone", "ntelephone", "nrtelephone",
            "numtelephone", "notelephone", "telefono", "numerodetelefono", "numerotelefono",
            "numeroditelefono", "telefone", "numerodetelefone", "telefoon", "telefoonnummer",
            "telefonszam", "numertelefonu", "nrtelefonu", "puhelin", "puhelinnumero", "tlf", "tlfnr",
            "tlfnummer", "телефон", "номертелефона", "номер", "电话", "电话号码", "電話", "電話番号", "هاتف", "phone1",
            "tel1", "telefon1", "phoneprimary", "homephone", "workphone", "businessphone", "phonehome",
            "phonework", "telefonprivat", "telefongeschaeftlich", "phone2", "otherphone", "number",
            "nummer", "callernumber",
        ],
    ),
    (
        Target::Field("first_name"),
        &[
            "firstname", "first", "fname", "givenname", "given", "forename", "christianname", "vorname",
            "rufname", "prenom", "primernombre", "nombredepila", "primeironome", "voornaam", "fornavn",
            "fornamn", "etunimi", "imie", "keresztnev", "имя", "名",
        ],
    ),
    (
        Target::Field("last_name"),
        &[
            "lastname", "last", "lname", "surname", "familyname", "nachname", "familienname", "zuname",
            "nomdefamille", "apellido", "apellidos", "cognome", "sobrenome", "apelido", "achternaam",
            "efternavn", "etternavn", "efternamn", "sukunimi", "nazwisko", "vezeteknev", "фамилия", "姓",
        ],
    ),
    (
        Target::FullName,
        &[
            "name", "fullname", "customername", "customer", "contact", "contactname", "contactperson",
            "clientname", "client", "leadname", "personname", "kunde", "kundenname", "ansprechpartner",
            "kontakt", "nomcomplet", "nometprenom", "nomprenom", "prenomnom", "nombrecompleto",
            "nombreyapellidos", "nomecompleto", "nom", "nombre", "nome", "naam", "volledigenaam", "navn",
            "namn", "nimi", "imieinazwisko", "фио", "姓名", "氏名",
        ],
    ),
    (
        Target::Field("email"),
        &[
            "emailaddress", "emailadress", "mail", "mailaddress", "emailadresse", "mailadresse",
            "courriel", "adresseemail", "adressemail", "correo", "correoelectronico", "epost", "eposta",
            "indirizzoemail", "enderecodeemail", "sahkoposti", "email1", "primaryemail", "почта", "邮箱",
            "メール",
        ],
    ),
    (
        Target::Field("company_name"),
        &[
            "company", "companyname", "organisation", "organization", "organisationname",
            "organizationname", "org", "firma", "firmenname", "firmaname", "unternehmen", "societe",
            "entreprise", "raisonsociale", "empresa", "compania", "azienda", "societa", "ragionesociale",
            "bedrijf", "bedrijfsnaam", "foretag", "virksomhed", "business", "businessname", "account",
            "accountname", "employer", "yritys", "компания", "公司", "会社",
        ],
    ),
    (
        Target::Field("time_zone"),
        &[
            "timezone", "tz", "tzname", "ianatimezone", "zone", "zeitzone", "fuseauhoraire", "fuseau",
            "zonahoraria", "husohorario", "fusoorario", "fusohorario", "tijdzone", "tidszon", "tidszone",
            "часовойпояс", "时区",
        ],
    ),
    (
        Target::Field("language"),
        &[
            "lang", "locale", "preferredlanguage", "sprache", "langue", "idioma", "lingua", "taal",
            "sprak", "sprog", "jezyk", "kieli", "язык", "语言", "言語",
        ],
    ),
    (
        Target::Field("priority"),
        &[
            "prio", "prioritat", "prioritaet", "priorite", "prioridad", "prioridade", "priorita",
            "prioriteit", "prioritet", "wichtigkeit", "priorytet", "приоритет",
        ],
    ),
    (
        Target::Field("best_time_to_call"),
        &[
            "besttime", "calltime", "preferredtime", "preferredcalltime", "callat", "besteanrufzeit",
            "anrufzeit", "bestezeit", "heuredappel", "meilleureheure", "mejorhora", "horadellamada",
            "horapreferida",
        ],
    ),
];

/// The two fields whose headings are told apart from what is a variable only by their plain words.
#[rustfmt::skip]
pub(super) const REMARKS: [(Target, &[&str]); 2] = [
    (
        Target::Field("notes"),
        &[
            "note", "comment", "comments", "remark", "remarks", "notiz", "notizen", "bemerkung",
            "bemerkungen", "kommentar", "kommentare", "anmerkung", "anmerkungen", "remarque", "remarques",
            "commentaire", "commentaires", "nota", "notas", "observaciones", "commento", "opmerking",
            "opmerkingen", "备注",
        ],
    ),
    (
        Target::Field("tags"),
        &[
            "tag", "label", "labels", "schlagwort", "schlagworte", "etiquette", "etiquettes", "etiqueta",
            "etiquetas",
        ],
    ),
];

/// Headings that mean the part of the name which no other column holds.
pub(super) const NAMES: [&str; 8] = ["name", "nom", "nombre", "nome", "naam", "navn", "namn", "nimi"];
