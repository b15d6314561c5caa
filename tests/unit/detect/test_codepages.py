"""Code pages of Europe and East Asia, told by a few names and streets."""

from __future__ import annotations

import pytest

from entrepot.detect import detect_source

TEXTS = {
    "de": (
        "Name,Straße,Ort",
        "Jürgen Müller,Hauptstraße 5,Köln",
        "Käthe Größer,Schloßallee 3,München",
        "Jörg Weiß,Grünweg 8,Düsseldorf",
        "Änne Übel,Öhringer Weg,Tübingen",
    ),
    "fr": (
        "nom,prénom,ville",
        "Lefèvre,André,Besançon",
        "Müller,Zoë,Orléans",
        "Gärtner,François,Nîmes",
        "Côté,Hélène,Sète",
    ),
    "es": (
        "nombre,ciudad,país",
        "José Núñez,Málaga,España",
        "María Muñoz,Córdoba,España",
        "Íñigo Peña,León,España",
        "Raúl Ibáñez,Ávila,España",
    ),
    "pl": (
        "imię,nazwisko,miasto",
        "Łukasz,Wiśniewski,Łódź",
        "Małgorzata,Żółkiewska,Gdańsk",
        "Stanisław,Dąbrowski,Poznań",
        "Zbigniew,Gałązka,Kraków",
    ),
    "cs": (
        "jméno,příjmení,město",
        "Jiří,Dvořák,Plzeň",
        "Zdeněk,Růžička,Děčín",
        "Šárka,Černá,Třebíč",
        "Ondřej,Kučera,Žďár",
    ),
    "hu": (
        "név,város,utca",
        "Kovács László,Győr,Petőfi út",
        "Nagy Erzsébet,Gödöllő,Rákóczi tér",
        "Szűcs Ödön,Székesfehérvár,Fő utca",
        "Tóth Ágnes,Kőszeg,Hősök tere",
    ),
    "ru": (
        "имя,город,улица",
        "Иван Петров,Москва,Ленина",
        "Анна Смирнова,Санкт-Петербург,Невский проспект",
        "Олег Кузнецов,Новосибирск,Садовая",
        "Ольга Попова,Екатеринбург,Мира",
    ),
    "el": (
        "όνομα,πόλη,οδός",
        "Γιώργος Παπαδόπουλος,Αθήνα,Ερμού",
        "Μαρία Νικολάου,Θεσσαλονίκη,Τσιμισκή",
        "Κώστας Γεωργίου,Πάτρα,Κορίνθου",
        "Ελένη Δημητρίου,Ηράκλειο,Έβανς",
    ),
    "tr": (
        "isim,şehir,sokak",
        "Ayşe Yılmaz,İstanbul,İstiklal",
        "Mehmet Çelik,İzmir,Kıbrıs Şehitleri",
        "Gülşen Öztürk,Eskişehir,Atatürk",
        "Uğur Şahin,Muğla,Cumhuriyet",
    ),
    "he": (
        "שם,עיר,רחוב",
        "דוד כהן,ירושלים,יפו",
        "שרה לוי,תל אביב,דיזנגוף",
        "משה מזרחי,חיפה,הרצל",
        "רחל פרץ,באר שבע,רגר",
    ),
    "ar": (
        "الاسم,المدينة,الشارع",
        "محمد علي,القاهرة,شارع التحرير",
        "فاطمة حسن,الإسكندرية,شارع النصر",
        "أحمد محمود,الجيزة,شارع الهرم",
        "سارة إبراهيم,أسوان,شارع النيل",
    ),
    "ja": (
        "氏名,住所,備考",
        "山田太郎,東京都千代田区,なし",
        "鈴木花子,大阪府大阪市,テスト",
        "佐藤一郎,北海道札幌市,データ",
        "高橋美咲,福岡県福岡市,ありがとう",
    ),
    "zh": (
        "姓名,城市,地址",
        "张伟,北京,朝阳区建国路",
        "王芳,上海,浦东新区世纪大道",
        "李娜,广州,天河区体育西路",
        "刘洋,深圳,南山区科技园",
    ),
    "zht": (
        "姓名,城市,地址",
        "張偉,臺北市,信義區市府路",
        "王芳,高雄市,苓雅區四維路",
        "李娜,臺中市,西屯區臺灣大道",
        "劉洋,臺南市,中西區民權路",
    ),
    "ko": (
        "이름,도시,주소",
        "김철수,서울,강남구 테헤란로",
        "이영희,부산,해운대구 해변로",
        "박민수,대구,수성구 동대구로",
        "최지우,인천,연수구 송도동",
    ),
    "uk": (
        "ім'я,місто,вулиця",
        "Іван Шевченко,Київ,Хрещатик",
        "Олена Ковальчук,Львів,Їжакевича",
        "Андрій Бойко,Харків,Сумська",
        "Ґалина Єфімова,Одеса,Європейська",
    ),
    "lt": (
        "vardas,miestas,gatvė",
        "Jonas Kazlauskas,Šiauliai,Žalgirio",
        "Eglė Žukauskaitė,Panevėžys,Ąžuolų",
        "Rūta Šimkutė,Klaipėda,Liepų",
        "Ąžuolas Čepaitis,Kėdainiai,Šviesos",
    ),
}


PAGES = [
    ("de", "cp1252"),
    ("de", "cp850"),
    ("de", "mac_roman"),
    ("fr", "cp1252"),
    ("fr", "iso8859-15"),
    ("fr", "cp850"),
    ("es", "cp1252"),
    ("es", "cp850"),
    ("es", "mac_roman"),
    ("pl", "cp1250"),
    ("pl", "iso8859-2"),
    ("pl", "cp852"),
    ("cs", "cp1250"),
    ("cs", "iso8859-2"),
    ("cs", "cp852"),
    ("hu", "cp1250"),
    ("hu", "iso8859-2"),
    ("ru", "cp1251"),
    ("ru", "koi8-r"),
    ("ru", "cp866"),
    ("ru", "iso8859-5"),
    ("el", "cp1253"),
    ("el", "iso8859-7"),
    ("tr", "cp1254"),
    ("tr", "iso8859-9"),
    ("he", "cp1255"),
    ("he", "iso8859-8"),
    ("ar", "cp1256"),
    ("ja", "cp932"),
    ("ja", "euc_jp"),
    ("zh", "gb18030"),
    ("zht", "big5"),
    ("ko", "cp949"),
    ("uk", "cp1251"),
    ("uk", "koi8-u"),
    ("lt", "cp1257"),
    ("lt", "iso8859-13"),
    ("ja", "iso2022_jp"),
    ("ru", "utf-16"),
    ("zh", "utf-16"),
    ("ko", "utf-32"),
]


def read(data: bytes) -> tuple[str, int]:
    """The text as detection would read it, and how many columns it found."""
    found = detect_source(lambda start, end: data[start:end], len(data))
    return data[found.bom_bytes :].decode(found.encoding.removesuffix("-sig"), "replace"), len(found.columns)


@pytest.mark.parametrize("times", [1, 8])
@pytest.mark.parametrize(("language", "encoding"), PAGES)
def test_the_letters_tell_the_page(language: str, encoding: str, times: int) -> None:
    header, *rows = TEXTS[language]
    text = "\n".join([header, *rows * times]) + "\n"
    assert read(text.encode(encoding)) == (text, 3)


@pytest.mark.parametrize(
    "text",
    [
        "id,text\n1,I don’t know\n2,it’s “fine” – really\n3,we’ve £5 or €6\n4,they’re…\n",
        "id,price\n1,£5\n2,£6\n3,£7\n4,£8\n",
        "a,b\n1,20°\n2,30°\n3,10°\n4,25°\n",
        "a,b\n1,café\n2,naïve\n3,Zoë\n4,façade\n",
        "id,name\n1,MÜLLER\n2,GRÖSSE\n3,BÄR\n",
        "id,t\n1,l’été\n2,à l’école\n3,c’est où\n",
        "id,t\n1,Smith\u00a0John\n2,Doe\u00a0Jane\n3,a\u00a0b\n4,c\u00a0d\n",
    ],
)
def test_signs_of_western_texts_are_no_letters(text: str) -> None:
    assert read(text.encode("cp1252")) == (text, 2)
