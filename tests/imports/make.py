#!/usr/bin/env python3
"""Writes the files of this folder that tests/api_imports.rs sends, each as ugly as people send them.

    python3 tests/imports/make.py

What is to become of each stands beside it, in a file of the same name with `.report` behind it.
"""

import pathlib
import zipfile

HERE = pathlib.Path(__file__).parent


def write(name, text, encoding="utf-8"):
    (HERE / name).write_bytes(text if isinstance(text, bytes) else text.encode(encoding))


GERMAN = "Telefon;Vorname;Nachname;Straße\r\n030 901820;Jürgen;Müller;Görlitzer Weg\r\n030 901821;Zoë;Weiß;Öhringer Str.\r\n"

write("bom.csv", "\ufeff" + GERMAN)
write("utf16le.csv", b"\xff\xfe" + GERMAN.encode("utf-16-le"))
write("utf16be_without_bom.csv", GERMAN.encode("utf-16-be"))
write("windows1252.csv", GERMAN.replace("Weg", "Weg – 5 €").encode("cp1252"))
write("tab.tsv", "Mobile Number\tFull Name\tE-Mail\n+1 202 555 0101\tLovelace, Ada\tada@example.com\n+1 202 555 0102\tAlan Turing\t\n")
write("pipes.txt", "msisdn|name|plan\n12025550101|Ada|a,b;c\n12025550102|Alan|d\n")
write("quoted_newlines.csv", 'phone,notes,plan\n+12025550101,"first\nsecond, ""quoted""\r\nthird",gold\n+12025550102,plain,silver\n12,"bad\nrow",x\n')
write("unclosed_quote.csv", 'phone,plan\n+12025550101,gold\n+12025550102,"silver\n+12025550103,bronze\n')
write("ragged.csv", "phone,first_name,plan\n+12025550101\n+12025550102,Ada\n+12025550103,Alan,gold,,\n+12025550104,Grace,gold,extra\n\n  \n+12025550105,,\n")
write("formulas.csv", "phone,first_name,notes\n'+12025550101,=SUM(A1:A9),@cmd\n=\"+12025550102\",'=1+1,-2+3\n+12025550101,=cmd|' /C calc'!A0,again\n=1+1,'-x,+1-1\n")
write("scientific.csv", "phone,first_name\n1.20256E+10,Rounded\n1.2025550101E+10,Whole\n12025550102.0,Float\n2.02555E+11,Rounded\n")
write("duplicate_headers.csv", "phone,plan,Plan,phone,,plan\n+12025550101,a,b,+12025550102,c,d\n+12025550103,,,,,\n")
write("no_header.csv", "1001,Ada Lovelace,(202) 555-0101,ada@example.com\n1002,Alan Turing,(202) 555-0102,alan@example.com\n1003,Grace Hopper,n/a,grace@example.com\n")
write("empty.csv", "")
write("blank.csv", "\r\n\r\n  \r\n")
write("header_only.csv", "phone,first_name,plan\n")
write("no_phone.csv", "Kundennummer;Ort\nK-1;Berlin\nK-2;Hamburg\n")
write("two_phones.csv", "Phone (home);Handy;Name;Zone;Prio\n;0151 23456789;Ada Lovelace;Nord;1\n030 901820;0151 23456780;Alan Turing;Süd;2\n030 901820;;Grace Hopper;West;9\n")
write("old_mac.csv", "phone;plan\r+12025550101;a\r\r+12025550102;b\rx;c\r")
write("named_separator.csv", "sep=;\r\nphone;a,b,c,d\r\n+12025550101;1\r\n")
write("damaged_bytes.csv", "phone,first_name\n+12025550101,José\n+12025550102,Zoë\n+12025550103,".encode() + b"\xfc\n+12025550104,Ada\n")
write("old_excel.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504))
write("emergency_and_friends.csv", "phone\n911\n112\n+999 123456789\n555-0101\n+1 202 555 0101 ext. 5\n+1 202 555 010\n+1 202 555 01011\nunknown\n\"\"\n+1 202 555 0101\n")


def workbook(name, sheets, strings=(), claim=None, styles="", extra=()):
    """An Excel workbook out of the XML of its sheets."""
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    rels = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    content = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    numbered = list(enumerate(sheets, 1))
    parts = {
        "[Content_Types].xml": '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{content}.sheet.main+xml"/>'
        + "".join(f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{content}.worksheet+xml"/>' for n, _ in numbered)
        + "</Types>",
        "_rels/.rels": f'<?xml version="1.0"?><Relationships {rels}><Relationship Id="rId1" Type="{kind}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<?xml version="1.0"?><workbook {main} xmlns:r="{kind}"><sheets>'
        + "".join(f'<sheet name="{title}" sheetId="{n}" r:id="rId{n}"/>' for n, (title, _) in numbered)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<?xml version="1.0"?><Relationships {rels}>'
        + "".join(f'<Relationship Id="rId{n}" Type="{kind}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n, _ in numbered)
        + f'<Relationship Id="rId98" Type="{kind}/styles" Target="styles.xml"/>'
        + f'<Relationship Id="rId99" Type="{kind}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/styles.xml": f'<?xml version="1.0"?><styleSheet {main}><cellXfs count="4"><xf numFmtId="0"/><xf numFmtId="14"/>'
        '<xf numFmtId="22"/><xf numFmtId="21"/></cellXfs></styleSheet>',
        "xl/sharedStrings.xml": f'<?xml version="1.0"?><sst {main} count="{claim or len(strings)}" uniqueCount="{claim or len(strings)}">'
        + "".join(f"<si><t>{text}</t></si>" for text in strings)
        + "</sst>",
    }
    for n, (_, rows) in numbered:
        parts[f"xl/worksheets/sheet{n}.xml"] = f'<?xml version="1.0"?><worksheet {main}><sheetData>{rows}</sheetData></worksheet>'
    parts.update(extra)
    with zipfile.ZipFile(HERE / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in parts.items():
            # The same bytes every time.
            info = zipfile.ZipInfo(path, (2024, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text)


def text(at, index):
    return f'<c r="{at}" t="s"><v>{index}</v></c>'


def number(at, value, style=0):
    return f'<c r="{at}" s="{style}"><v>{value}</v></c>'


def inline(at, value):
    return f'<c r="{at}" t="inlineStr"><is><t>{value}</t></is></c>'


NAMES = ["Phone", "Name", "Signed", "Best time", "Balance", "Ada Lovelace", "Grace, \"Amazing\"\nHopper", "+1 202 555 0103"]
SHEET = (
    f'<row r="3">{text("A3", 0)}{text("B3", 1)}{text("C3", 2)}{text("D3", 3)}{text("E3", 4)}</row>'
    f'<row r="4">{number("A4", "12025550101")}{text("B4", 5)}{number("C4", 45341, 1)}{number("D4", "0.4375", 3)}{number("E4", "1234.5")}</row>'
    f'<row r="5">{number("A5", "1.2025550102E10")}{text("B5", 6)}{number("C5", "45341.4375", 2)}</row>'
    '<row r="6"/>'
    f'<row r="8">{text("A8", 7)}<c r="B8" t="b"><v>1</v></c><c r="C8" t="e"><v>#N/A</v></c></row>'
    f'<row r="9">{number("A9", "12")}</row>'
    f'<row r="10"><c r="A10" t="str"><f>"+1"&amp;"2025550104"</f><v>+12025550104</v></c>{inline("B10", "Alan")}</row>'
)
OTHER = f'<row r="1">{inline("A1", "Mobile")}{inline("B1", "Plan")}</row><row r="2">{number("A2", "12025550109")}{inline("B2", "=1+1")}</row>'
workbook("two_sheets.xlsx", [("Leads", SHEET), ("More leads", OTHER)], NAMES)
workbook("claims_a_billion_texts.xlsx", [("Leads", SHEET)], NAMES, claim=4_000_000_000)
workbook("zip_bomb.xlsx", [("Leads", SHEET)], NAMES, extra={"xl/worksheets/sheet1.xml": " " * (40 << 20)}.items())
workbook("cells_out_of_order.xlsx", [("Leads", f'<row r="9">{inline("A9", "phone")}</row><row r="2">{inline("A2", "x")}</row>')])
workbook("beyond_the_last_row.xlsx", [("Leads", f'<row r="4000000">{inline("A4000000", "phone")}</row>')])
workbook("empty_sheet.xlsx", [("Leads", "")])
write("damaged.xlsx", (HERE / "two_sheets.xlsx").read_bytes()[:900])
