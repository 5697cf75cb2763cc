"""What is written: words, names, addresses, prices, phones, dates, codes, and phrases made of them.

Everything is drawn from word lists plus small generators of the number-like strings that fill receipts, cards, signs
and shop pages. Rare syllables get their own share, so that a recognizer learns the letters and not only the words.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np

from edge_ocr.ctc import compose, decompose
from training.synth import people

__all__ = ["Texts"]

Rng = np.random.Generator

# fmt: off
_UNITS_KO = [
    "원", "개", "명", "병", "잔", "인분", "권", "매", "시간", "분", "일", "월", "년", "층", "호", "번", "건", "장",
    "세트", "박스", "g", "kg", "ml", "L", "cm", "mm", "m", "㎡", "℃", "%", "GB", "kcal",
]
_UNITS_EN = [
    "g", "kg", "ml", "L", "cm", "mm", "m", "km", "%", "GB", "MB", "lb", "oz", "pcs", "x", "hrs", "kcal", "USD", "RM",
    "EUR", "mph", "th", "nd", "st",
]
_SURNAMES = [
    *"김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노하곽성차주우구",
    *"민류나진지엄채원천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모",
    "남궁", "선우", "황보", "독고",
]
_RECEIPT_KO = [
    "합계", "소계", "부가세", "과세물품가액", "면세", "공급가액", "결제금액", "받을금액", "받은금액", "거스름돈",
    "현금", "카드", "신용카드", "승인번호", "승인금액", "할부", "일시불", "카드번호", "매출전표", "고객용",
    "사업자번호", "대표자", "전화", "주소", "영수증", "판매일", "상품명", "단가", "수량", "금액", "메뉴", "테이블",
    "주문번호", "할인", "적립", "포인트", "잔액", "배달비", "주문금액", "총결제금액", "가맹점", "가맹번호", "매입사",
    "교환", "환불", "봉투", "담당", "계산원", "매장", "지점", "점포", "품명", "과세", "물품", "결제", "내역", "주방",
    "포장", "신규", "추가", "선택", "옵션", "요청사항",
]
_CARD_KO = [
    "주민등록증", "운전면허증", "외국인등록증", "여권", "성명", "이름", "생년월일", "발급일", "유효기간", "적성검사",
    "갱신기간", "조건", "국적", "체류자격", "종별", "1종보통", "2종보통", "1종대형", "서울특별시장", "구청장",
    "시장", "경찰청장", "경기도북부경찰청장", "서울특별시경찰청장", "대한민국", "자동차운전면허증", "등록기준지",
    "세대주", "관계", "주소", "번호",
]
_RECEIPT_EN = [
    "TOTAL", "SUBTOTAL", "CASH", "CHANGE", "TAX", "INVOICE", "GST", "RM", "QTY", "AMOUNT", "PRICE", "DISCOUNT",
    "ROUNDING", "ADJUSTMENT", "BALANCE", "DATE", "TIME", "NO.", "TEL", "FAX", "CASHIER", "COUNTER", "TABLE",
    "RECEIPT", "ITEM", "DESCRIPTION", "PAYMENT", "CARD", "VISA", "MASTER", "APPROVAL", "CODE", "THANK", "YOU",
    "PLEASE", "COME", "AGAIN", "GOODS", "SOLD", "ARE", "NOT", "RETURNABLE", "REFUNDABLE", "SDN", "BHD", "SDN.",
    "BHD.", "JALAN", "TAMAN", "REG", "ID", "NO:", "INCL.", "EXCL.", "SUMMARY", "SR", "ZR", "TERIMA", "KASIH", "DOC",
    "STORE", "MEMBER", "POINTS", "SALES", "PERSON", "SERVICE", "CHARGE", "UNIT", "PCS", "EXCHANGE", "WITHIN", "DAYS",
    "KEEP", "THIS",
]
_DOMAINS = [
    "com", "co.kr", "net", "kr", "org", "io", "go.kr", "ac.kr", "de", "fr", "co.uk",
]
_PUNCT_END = [
    ".", ",", "!", "?", ":", ";", "…", "...", "~", "!!", "?!",
]
_BRACKETS = [
    ("(", ")"), ("[", "]"), ("<", ">"), ("'", "'"), ('"', '"'), ("‘", "’"), ("“", "”"), ("「", "」"),
    ("【", "】"), ("《", "》"), ("〈", "〉"), ("『", "』"), ("{", "}"),
]
_JOSA = [
    "은", "는", "이", "가", "을", "를", "의", "에", "에서", "으로", "로", "와", "과", "도", "만", "까지", "부터",
    "에게", "한테", "처럼", "보다", "이나", "나", "입니다", "이다", "하고", "랑", "께서", "마다", "조차", "밖에",
    "라고",
]
_MONTHS = ["Jan", "FEB", "Mar", "Apr", "MAY", "Jun", "Jul", "Aug", "Sep", "OCT", "Nov", "Dec"]
# fmt: on


def _read_lines(path: Path) -> list[str]:
    """The lines that are not empty; none when the file is not there."""
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line]


def _read_counts(path: Path) -> tuple[list[str], np.ndarray]:
    words, counts = [], []
    for line in _read_lines(path):
        word, _, count = line.partition("\t")
        if word and count:
            words.append(unicodedata.normalize("NFC", word))
            counts.append(float(count))
    return words, np.asarray(counts)


class _Bag:
    """Strings picked with probability ∝ count**power."""

    def __init__(self, words: list[str], counts: np.ndarray | None = None, power: float = 0.4) -> None:
        self.words = words
        weights = np.ones(len(words)) if counts is None else np.maximum(counts, counts[counts > 0].min()) ** power
        self.edges = np.cumsum(weights)

    def pick(self, rng: Rng) -> str:
        return self.words[int(np.searchsorted(self.edges, rng.random() * self.edges[-1], side="right"))]


class Texts:
    """All text sources of an ingredients folder (``folder/text``); ``charset`` limits what is given back."""

    def __init__(self, ko: list[_Bag], en: _Bag, names: list[str], addresses: list[str], syllables: list[str]) -> None:
        self._ko, self._en = ko, en
        self._names, self._addresses = names, addresses
        self._syllables = syllables
        # Syllables that differ from commoner ones by one short stroke: ㅑ ㅕ ㅛ ㅠ and their kin, double consonants.
        self._strokes = [c for c in syllables if _fine(c)] or syllables

    @classmethod
    def load(cls, folder: str | Path) -> Texts:
        """From ``words_ko.tsv``, ``words_en.tsv``, ``subtitles_ko.tsv``, ``names_ko.txt`` and ``addresses_ko.txt``
        below ``folder/text``. A list that is not there is replaced by what comes nearest to it, in the last resort by
        syllables and the words of receipts; FileNotFoundError when there is none at all."""
        root = Path(folder) / "text"
        # KS X 1001's syllables: those that the legacy encoding can write.
        common = [chr(c) for c in range(0xAC00, 0xD7A4) if _in_ksx1001(chr(c))]
        words, subtitles = _read_counts(root / "words_ko.tsv"), _read_counts(root / "subtitles_ko.tsv")
        english = _read_counts(root / "words_en.tsv")
        names = _read_lines(root / "names_ko.txt")
        addresses = [x.strip(' "') for x in _read_lines(root / "addresses_ko.txt")]
        if not (words[0] or subtitles[0] or english[0] or names):
            raise FileNotFoundError(
                f"{root}: no word lists; run training.ingredients, or point --ingredients at a folder of its shape"
            )
        ko = [_Bag(*found) for found in (words, subtitles) if found[0]] or [_Bag(common)]
        en = _Bag(*english, power=0.3) if english[0] else _Bag([w.lower() for w in _RECEIPT_EN])
        names = names or addresses or ko[0].words
        return cls([ko[0], ko[-1]], en, names, addresses or names, common)

    # -- single words -------------------------------------------------------------------------------------------
    def syllable(self, rng: Rng) -> str:
        u = rng.random()
        if u < 0.06:
            return chr(0xAC00 + int(rng.integers(11172)))
        if u < 0.36:
            return self._strokes[int(rng.integers(len(self._strokes)))]
        return self._syllables[int(rng.integers(len(self._syllables)))]

    def look_alike(self, rng: Rng, c: str) -> str:
        """A syllable of KS X 1001 that differs from ``c`` in one letter, by one that is easily taken for it: 합 for 압,
        출 for 줄, 몰 for 물. Any syllable, where ``c`` has no such neighbour."""
        if not "가" <= c <= "힣":
            return self.syllable(rng)
        parts = decompose(c)
        near = [
            compose(*parts[:k], other, *parts[k + 1 :])
            for k, groups in enumerate(_ALIKE)
            for group in groups
            if parts[k] in group
            for other in group - {parts[k]}
        ]
        near = [x for x in near if _in_ksx1001(x)]
        return _choice(rng, near) if near else self.syllable(rng)

    def korean(self, rng: Rng) -> str:
        u = rng.random()
        if u < 0.40:
            word = self._ko[int(rng.integers(2))].pick(rng)
            if rng.random() < 0.35:
                word += _choice(rng, _JOSA)
            if rng.random() < 0.45:  # a rare syllable within a real word, so that the eye is trusted before the habit
                at = int(rng.integers(len(word)))
                if rng.random() < 0.4:
                    return word[:at] + self.look_alike(rng, word[at]) + word[at + 1 :]
                word = word[:at] + self.syllable(rng) + word[at + int(rng.random() < 0.7) :]
            return word
        if u < 0.50:
            return _choice(rng, _choice(rng, self._names).split())
        if u < 0.58:
            return _choice(rng, _choice(rng, self._addresses).split())
        if u < 0.64:
            return _choice(rng, _RECEIPT_KO)
        if u < 0.67:
            return _choice(rng, _CARD_KO)
        if u < 0.75:
            return self.person(rng)
        if u < 0.80:
            return self._ko[0].pick(rng) + self._ko[0].pick(rng)
        return "".join(self.syllable(rng) for _ in range(int(rng.integers(1, 7))))

    def everyday(self, rng: Rng, lang: str) -> str:
        """A word as it stands on signs, receipts and cards, by how often it does: nothing is made rarer or odder than
        it is, as ``word`` does for training."""
        u = rng.random()
        if u < 0.25:
            return self.number(rng, lang)
        if lang == "ko" and u < 0.85:
            if u < 0.4:
                return _choice(rng, _choice(rng, self._addresses if u < 0.35 else self._names).split())
            if u < 0.48:
                return _choice(rng, _RECEIPT_KO)
            word = self._ko[int(rng.integers(2))].pick(rng)
            return word + _choice(rng, _JOSA) if rng.random() < 0.35 else word
        word = self._en.pick(rng) if u < 0.9 else _choice(rng, _RECEIPT_EN)
        return [word.upper(), word.capitalize(), word][int(rng.integers(3))]

    def person(self, rng: Rng) -> str:
        return _choice(rng, _SURNAMES) + "".join(self.syllable(rng) for _ in range(int(rng.integers(1, 3))))

    def english(self, rng: Rng) -> str:
        u = rng.random()
        if u < 0.72:
            word = self._en.pick(rng)
        elif u < 0.84:
            word = _choice(rng, _RECEIPT_EN)
        elif u < 0.92:
            word = self._en.pick(rng) + _choice(rng, ["-", "'s", "&", "/", ""])
            word += self._en.pick(rng) if rng.random() < 0.5 else ""
        else:
            letters = "abcdefghijklmnopqrstuvwxyz"
            word = "".join(letters[int(rng.integers(26))] for _ in range(int(rng.integers(1, 9))))
        case = rng.random()
        if case < 0.36:
            return word.upper()
        return word.capitalize() if case < 0.66 else word

    def latin1(self, rng: Rng) -> str:
        """A word with accented letters, so that all of Latin-1 is seen."""
        word = list(self.english(rng))
        for _ in range(int(rng.integers(1, 4))):
            c = chr(int(rng.integers(0xA1, 0x100)))
            if c != "\xad":
                word.insert(int(rng.integers(len(word) + 1)), c)
        return "".join(word)

    def number(self, rng: Rng, lang: str) -> str:
        u = rng.random()
        if u < 0.15:
            return str(int(10 ** rng.uniform(0, 5)))
        if u < 0.40:  # prices
            whole = lang == "ko" or rng.random() < 0.2
            n = f"{int(10 ** rng.uniform(2, 6.5)):,}" if whole else f"{10 ** rng.uniform(0, 3.5):,.2f}"
            if lang == "ko" and rng.random() < 0.1:
                n = n.replace(",", ".")
            before = ["", "", "", "-", "₩", "+"] if lang == "ko" else ["", "", "", "$", "£", "€", "RM", "-", "USD"]
            after = ["", "", "원", "원"] if lang == "ko" else ["", "", "", "SR", "-", "*"]
            return _choice(rng, before) + n + _choice(rng, after)
        if u < 0.50:  # phones
            a = _choice(rng, ["010", "02", "031", "032", "051", "042", "070", "1588", "080", "0505", "011"])
            mid, end = str(int(rng.integers(100, 10000))), f"{int(rng.integers(10000)):04d}"
            form = int(rng.integers(5))
            return [
                f"{a}-{mid}-{end}", f"{a}){mid}-{end}", f"({a}){mid}-{end}", f"{a}.{mid}.{end}",
                f"+{int(rng.integers(1, 99))}{a[1:]}{mid}{end}",
            ][form]
        if u < 0.66:  # dates and times
            y, m, d = int(rng.integers(1950, 2035)), int(rng.integers(1, 13)), int(rng.integers(1, 32))
            h, mi, s = int(rng.integers(24)), int(rng.integers(60)), int(rng.integers(60))
            forms = [
                f"{y}-{m:02d}-{d:02d}", f"{y}.{m:02d}.{d:02d}", f"{y}.{m}.{d}.", f"{y}/{m:02d}/{d:02d}",
                f"{h:02d}:{mi:02d}", f"{h:02d}:{mi:02d}:{s:02d}", f"{y % 100:02d}{m:02d}{d:02d}",
                f"{d:02d}/{m:02d}/{y}", f"{d:02d}-{m:02d}-{y}", f"{m}/{d}",
            ]
            if lang == "ko":
                forms += [
                    f"{y}년", f"{m}월", f"{d}일", f"{h}시", f"{mi}분", f"{y}년{m}월{d}일",
                    f"({_choice(rng, list('월화수목금토일'))})", f"{m}.", f"{d}.",
                ]
            else:
                forms += [
                    f"{h % 12}:{mi:02d}{_choice(rng, ['AM', 'PM', 'am'])}",
                    _choice(rng, _MONTHS),
                    f"{d}-{_choice(rng, ['Jan', 'Feb', 'Mar', 'Oct', 'Dec'])}-{y}",
                ]
            return _choice(rng, forms)
        if u < 0.76:  # registration, business and card numbers
            n = [int(x) for x in rng.integers(10, size=16)]
            s16 = "".join(map(str, n))
            birth = f"{s16[:2]}{int(rng.integers(1, 13)):02d}{int(rng.integers(1, 29)):02d}"
            return _choice(rng, [
                f"{birth}-{int(rng.integers(1, 5))}{s16[6:12]}",
                f"{s16[:3]}-{s16[3:5]}-{s16[5:10]}", f"{s16[:4]}-{s16[4:8]}-****-{s16[8:12]}",
                f"{s16[:4]}-{s16[4:6]}**-****-{s16[6:9]}", s16[: int(rng.integers(5, 14))],
                f"{s16[:2]}-{s16[2:4]}-{s16[4:10]}-{s16[10:12]}", f"{s16[:3]}-{s16[3:6]}", f"{s16[:2]}-{s16[2:6]}"])
        if u < 0.88:
            unit = _choice(rng, _UNITS_KO if lang == "ko" else _UNITS_EN)
            n = str(int(10 ** rng.uniform(0, 4))) if rng.random() < 0.7 else f"{10 ** rng.uniform(0, 2):.1f}"
            return n + unit
        if u < 0.94:  # codes
            alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789IO"
            code = "".join(alphabet[int(rng.integers(len(alphabet)))] for _ in range(int(rng.integers(3, 11))))
            return code if rng.random() < 0.6 else code[:3] + _choice(rng, ["-", "/", "_", ":", "."]) + code[3:]
        return _choice(rng, [
            f"{int(rng.integers(1, 30))}.", f"{int(rng.integers(1, 10))})", f"({int(rng.integers(1, 30))})",
            f"#{int(rng.integers(1, 99))}", f"No.{int(rng.integers(1, 9999))}",
            f"{int(rng.integers(1, 100))}%", f"x{int(rng.integers(1, 20))}",
            f"{int(rng.integers(1, 20))}*{int(rng.integers(1, 9000))}", f"@{rng.uniform(0, 99):.2f}",
            f"{int(rng.integers(1, 99))}~{int(rng.integers(1, 99))}",
            f"{int(rng.integers(1, 9))}+{int(rng.integers(1, 9))}",
            f"{int(rng.integers(1, 99))}/{int(rng.integers(1, 99))}",
        ])

    def web(self, rng: Rng) -> str:
        a, b = self._en.pick(rng), self._en.pick(rng)
        return _choice(rng, [
            f"www.{a}.{_choice(rng, _DOMAINS)}", f"{a}@{b}.{_choice(rng, _DOMAINS)}",
            f"http://{a}.{_choice(rng, _DOMAINS)}", f"@{a}_{b}", f"#{a}", f"{a}.{_choice(rng, _DOMAINS)}/{b}",
        ])

    def mixed(self, rng: Rng) -> str:
        """Korean with Latin letters or digits inside one word."""
        k, e = self._ko[0].pick(rng), self._en.pick(rng)
        e = e.upper() if rng.random() < 0.5 else e.capitalize()
        n = str(int(10 ** rng.uniform(0, 3)))
        return _choice(rng, [
            e + k, k + e, n + k, k + n, f"{k}({e})", f"{e}({k})", f"{k}/{self._ko[0].pick(rng)}",
            f"{k}·{self._ko[0].pick(rng)}", e + _choice(rng, _JOSA), f"{k}-{n}", f"{k}:{n}", f"{n}-{n}",
            f"{e}-{k}", f"{k}&{self._ko[0].pick(rng)}", f"{n}{k}{n}", f"{k},{self._ko[0].pick(rng)}",
        ])

    def symbols(self, rng: Rng, charset: str) -> str:
        plain = [c for c in charset if c != " "]
        return "".join(plain[int(rng.integers(len(plain)))] for _ in range(int(rng.integers(1, 4))))

    def word(self, rng: Rng, lang: str, charset: str | None = None) -> str:
        """One word without spaces, as ``lang`` (``ko`` or ``en``) writes it on signs, receipts, cards and pages."""
        u = rng.random()
        if lang == "ko":
            if u < 0.56:
                w = self.korean(rng)
            elif u < 0.76:
                w = self.number(rng, "ko")
            elif u < 0.87:
                w = self.english(rng)
            elif u < 0.96:
                w = self.mixed(rng)
            elif u < 0.975:
                w = self.web(rng)
            else:
                marked = charset and rng.random() < 0.7
                w = self.symbols(rng, charset) + self.korean(rng) if marked else self.number(rng, "ko")
        else:
            if u < 0.66:
                w = self.english(rng)
            elif u < 0.90:
                w = self.number(rng, "en")
            elif u < 0.94:
                w = self.latin1(rng)
            elif u < 0.97:
                w = self.web(rng)
            else:
                w = self.symbols(rng, charset) + self.english(rng) if charset else self.english(rng)
        v = rng.random()
        if v < 0.10:
            w += _choice(rng, _PUNCT_END)
        elif v < 0.16:
            a, b = _choice(rng, _BRACKETS)
            side = rng.random()
            w = a + w + b if side < 0.7 else (a + w if side < 0.85 else w + b)
        elif v < 0.18:
            w = _choice(rng, ["-", "*", "·", "•", "※", "#", "+", "~", "▲", "■", "○", "☆", "→", ":", "/", "|"]) + w
        return w[:26]

    def card(self, rng: Rng) -> str:
        """A line, or a few words of one, as Korean identity papers print them: names, places with their commas and
        brackets, numbers, dates with spaces after their dots, offices, serials."""
        person = people.resident(rng) if rng.random() < 0.4 else people.driver(rng)
        u = rng.random()
        if u < 0.2:
            return person.fields["name"]
        if u < 0.65:
            lines = [line for line in person.printed["address"].split("\n") if line]
            words = _choice(rng, lines).split()
            if rng.random() < 0.5:  # a detector finds a line in pieces
                start = int(rng.integers(len(words)))
                words = words[start : start + int(rng.integers(1, 4))]
            return " ".join(words)
        rest = [name for name in person.fields if name not in ("name", "address")]
        name = _choice(rng, rest)
        return person.printed.get(name, person.fields[name])

    def phrase(self, rng: Rng, lang: str, n_words: int, charset: str | None = None) -> str:
        """``n_words`` words with single spaces."""
        u = rng.random()
        if lang == "ko" and u < 0.15:
            base = _choice(rng, self._addresses if u < 0.06 else self._names).split()
            return " ".join(base[: max(1, n_words)])
        if lang == "ko" and u < 0.5:
            return " ".join(self.korean(rng) for _ in range(n_words))
        if lang == "en" and u < 0.5:
            return " ".join(self.english(rng) for _ in range(n_words))
        return " ".join(self.word(rng, lang, charset) for _ in range(n_words))


def _numbers(letters: str, groups: str) -> tuple[frozenset[int], ...]:
    return tuple(frozenset(letters.index(c) for c in group) for group in groups.split(","))


# Letters that are taken for one another in small or blurred print: by initial, medial and final.
_ALIKE = (
    _numbers("ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ", "ㅇㅎ,ㅅㅈㅊ,ㅈㅉ,ㅅㅆ,ㄱㅋㄲ,ㄷㅌㄸㄹ,ㅁㅂㅍㅇ,ㅂㅃ"),
    _numbers("ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ", "ㅏㅑㅣ,ㅓㅕㅣ,ㅐㅔㅒㅖㅏ,ㅗㅛㅡ,ㅜㅠㅡㅗ,ㅘㅙㅚ,ㅞㅟㅢ"),
    _numbers(" ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ", "ㅇㅁ,ㄴㄹㄷ,ㅅㅈㅊㅆ,ㄱㅋㄲ,ㅂㅁㅍ,ㄹㄺ, ㄴ"),
)


def _choice(rng: Rng, items: list[str]) -> str:
    return items[int(rng.integers(len(items)))]


def _fine(c: str) -> bool:
    """Whether a syllable differs from a commoner one by a short stroke: a vowel of two (ㅑㅒㅕㅖㅛㅠ, ㅙ, ㅝ, ㅞ), a
    double initial (ㄲㄸㅃㅆㅉ), a rare or double final (ㅈㅊㅋㅌㅍ, ㄳㄵㄶ, ㄺ and its kin, ㅄ)."""
    body, final = divmod(ord(c) - 0xAC00, 28)
    initial, medial = divmod(body, 21)
    fine_final = final in (3, 5, 6, 18) or 9 <= final <= 15 or 22 <= final <= 26
    return medial in (2, 3, 6, 7, 10, 12, 14, 15, 17) or initial in (1, 4, 8, 10, 13) or fine_final


def _in_ksx1001(c: str) -> bool:
    try:
        return len(c.encode("euc-kr")) == 2
    except UnicodeEncodeError:
        return False
