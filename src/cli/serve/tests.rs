//! The server's answers, and the server over the wire.

#![allow(clippy::unwrap_used)]
use super::*;
use std::io::Read;
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

/// A page in a folder, and beside the folder a file that must never be served.
fn page() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("dist");
    fs::create_dir_all(root.join("assets")).unwrap();
    fs::write(root.join("index.html"), "<!doctype html><p>page</p>").unwrap();
    fs::write(
        root.join("assets/a b.js"),
        "export const x = 1;\n".repeat(50),
    )
    .unwrap();
    fs::write(root.join("assets/m.wasm"), b"\0asm").unwrap();
    fs::write(root.join("w.safetensors"), [7; 100]).unwrap();
    fs::write(root.join("scan.nii.gz"), [0x1f, 0x8b]).unwrap();
    fs::write(root.join(".hidden"), "hidden").unwrap();
    fs::write(dir.path().join("secret.txt"), "secret").unwrap();
    (dir, root)
}

fn get<'a>(url: &'a str, accept_encoding: &'a str) -> Asked<'a> {
    Asked {
        method: &Method::Get,
        url,
        accept_encoding,
        if_none_match: "",
    }
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let found = answer.headers.iter().find(|(n, _)| *n == name);
    found.map(|(_, value)| value.as_str())
}

fn bytes(answer: Answer) -> Vec<u8> {
    match answer.body {
        Body::Bytes(bytes) => bytes.to_vec(),
        Body::File(mut file, _) => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        }
    }
}

#[test]
fn serves_the_page_at_the_root() {
    let (_dir, root) = page();
    let site = Site::open(&root).unwrap();
    for url in ["/", "/index.html", "/?demo=40"] {
        let answer = site.answer(&get(url, ""));
        assert_eq!(answer.status, 200, "{url}");
        assert_eq!(
            header(&answer, "Content-Type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(bytes(answer), b"<!doctype html><p>page</p>");
    }
}

#[test]
fn names_the_types_that_browsers_insist_on() {
    let (_dir, root) = page();
    let site = Site::open(&root).unwrap();
    let cases = [
        ("/assets/m.wasm", "application/wasm"),
        ("/assets/a%20b.js", "text/javascript; charset=utf-8"),
        ("/w.safetensors", "application/octet-stream"),
        ("/scan.nii.gz", "application/gzip"),
    ];
    for (url, mime) in cases {
        let answer = site.answer(&get(url, "gzip"));
        assert_eq!(answer.status, 200, "{url}");
        assert_eq!(header(&answer, "Content-Type"), Some(mime), "{url}");
    }
    let scan = site.answer(&get("/scan.nii.gz", "gzip"));
    assert_eq!(header(&scan, "Content-Encoding"), None);
    assert_eq!(bytes(scan), [0x1f, 0x8b]);
}

#[test]
fn every_answer_carries_the_policy() {
    let (_dir, root) = page();
    let site = Site::open(&root).unwrap();
    for url in ["/", "/assets/a%20b.js", "/nothing", "/../secret.txt"] {
        let answer = site.answer(&get(url, "gzip"));
        assert_eq!(header(&answer, "Content-Security-Policy"), Some(CSP));
        assert_eq!(header(&answer, "X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(header(&answer, "Referrer-Policy"), Some("no-referrer"));
    }
}

#[test]
fn nothing_outside_the_folder_is_served() {
    let (dir, root) = page();
    #[cfg(unix)]
    std::os::unix::fs::symlink(dir.path().join("secret.txt"), root.join("link.txt")).unwrap();
    let site = Site::open(&root).unwrap();
    let absolute = dir.path().join("secret.txt");
    let absolute = absolute.to_str().unwrap();
    let ways = [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..\\secret.txt",
        "/..%5csecret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/link.txt",
        "/.hidden",
        "/./index.html",
        "/index.html%00.txt",
        "/assets",
        "/assets/",
        "/%ff",
        "/%4",
        "secret.txt",
        "*",
        "",
    ];
    for url in ways.into_iter().chain([absolute]) {
        assert_eq!(site.answer(&get(url, "")).status, 404, "{url}");
    }
}

#[test]
fn compresses_once_and_again_when_the_file_changes() {
    let (_dir, root) = page();
    let site = Site::open(&root).unwrap();
    let url = "/assets/a%20b.js";
    let unpack = |answer: Answer| {
        let mut text = String::new();
        let packed = bytes(answer);
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_string(&mut text)
            .unwrap();
        text
    };
    let first = site.answer(&get(url, "br, gzip;q=0.8"));
    assert_eq!(header(&first, "Content-Encoding"), Some("gzip"));
    assert_eq!(header(&first, "Vary"), Some("Accept-Encoding"));
    assert_eq!(unpack(first), "export const x = 1;\n".repeat(50));

    let cached = |answer: Answer| match answer.body {
        Body::Bytes(bytes) => bytes,
        Body::File(..) => panic!("not compressed"),
    };
    let (a, b) = (
        cached(site.answer(&get(url, "gzip"))),
        cached(site.answer(&get(url, "gzip"))),
    );
    assert!(Arc::ptr_eq(&a, &b));

    fs::write(root.join("assets/a b.js"), "changed").unwrap();
    assert_eq!(unpack(site.answer(&get(url, "gzip"))), "changed");
    let raw = site.answer(&get(url, "gzip;q=0, identity"));
    assert_eq!(header(&raw, "Content-Encoding"), None);
    assert_eq!(bytes(raw), b"changed");
}

#[test]
fn a_known_tag_saves_the_body() {
    let (_dir, root) = page();
    let site = Site::open(&root).unwrap();
    let first = site.answer(&get("/", "gzip"));
    let tag = header(&first, "ETag").unwrap().to_owned();
    let mut again = get("/", "gzip");
    again.if_none_match = &tag;
    let answer = site.answer(&again);
    assert_eq!(answer.status, 304);
    assert!(bytes(answer).is_empty());
    // The tag of one encoding is not the tag of the other.
    again.accept_encoding = "";
    assert_eq!(site.answer(&again).status, 200);
}

#[test]
fn only_what_is_named_by_its_content_is_kept_for_ever() {
    let (_dir, root) = page();
    let site = Site::open(&root).unwrap();
    let keep = |url| {
        let answer = site.answer(&get(url, ""));
        header(&answer, "Cache-Control").unwrap().to_owned()
    };
    assert_eq!(keep("/"), ASK_AGAIN);
    assert_eq!(keep("/w.safetensors"), ASK_AGAIN);
    assert_eq!(keep("/w.safetensors?sha256=ab"), FOREVER);
    assert_eq!(keep("/assets/m.wasm"), FOREVER);
}

#[test]
fn other_methods_are_refused() {
    let (_dir, root) = page();
    let site = Site::open(&root).unwrap();
    for method in [Method::Post, Method::Put, Method::Delete, Method::Options] {
        let mut asked = get("/", "");
        asked.method = &method;
        let answer = site.answer(&asked);
        assert_eq!(answer.status, 405);
        assert_eq!(header(&answer, "Allow"), Some("GET, HEAD"));
    }
}

#[test]
fn a_folder_without_a_page_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = serve(dir.path(), 0, |_| ()).unwrap_err();
    assert!(matches!(error, ServeError::NoPage { .. }), "{error}");
    let missing = dir.path().join("missing");
    let error = serve(&missing, 0, |_| ()).unwrap_err();
    assert!(matches!(error, ServeError::Root { .. }), "{error}");
    assert!(error.to_string().contains("missing"));
}

/// Sends a request as a browser that wants no second one; returns status line and headers,
/// and the body.
fn exchange(address: &str, request: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    let text = format!("{request}\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let split = all.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(all[..split].to_vec()).unwrap();
    (head, all[split + 4..].to_vec())
}

#[test]
fn answers_over_the_wire_on_this_machine_only() {
    let (_dir, root) = page();
    let (send, receive) = mpsc::channel();
    // The server runs until the test process ends.
    thread::spawn(move || serve(&root, 0, |url| send.send(url.to_owned()).unwrap()));
    let url = receive.recv_timeout(Duration::from_secs(10)).unwrap();
    let address = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    assert!(address.starts_with("127.0.0.1:"), "{address}");

    let (head, body) = exchange(address, "GET / HTTP/1.1");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.contains(&format!("Content-Security-Policy: {CSP}")),
        "{head}"
    );
    assert_eq!(body, b"<!doctype html><p>page</p>");

    let (head, body) = exchange(address, "HEAD / HTTP/1.1");
    assert!(
        head.starts_with("HTTP/1.1 200") && head.contains("Content-Length: 26"),
        "{head}"
    );
    assert!(body.is_empty());

    let (head, _) = exchange(address, "GET /../secret.txt HTTP/1.1");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    let (head, _) = exchange(address, "POST / HTTP/1.1\r\nContent-Length: 0");
    assert!(head.starts_with("HTTP/1.1 405"), "{head}");

    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    let (_other, root) = page();
    let error = serve(&root, port, |_| ()).unwrap_err();
    assert!(matches!(error, ServeError::Bind { .. }), "{error}");
}
