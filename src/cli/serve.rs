//! A small static server for the page: this machine only, no uploads, nothing but files.
//!
//! Opening the built page from disk does not work (browsers refuse modules and WebAssembly from
//! `file:`), so the command line brings a server. It sends the headers that a plain file host
//! leaves out: the content security policy binds a Worker only if it comes with the Worker's own
//! script, so it goes on every response.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use thiserror::Error;
use tiny_http::{Header, Method, Request, Response, Server};

/// The page's content security policy; `www/src/csp.ts` has the same, and a browser test compares.
const CSP: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
    img-src 'self' data: blob:; connect-src 'self' data: blob:; worker-src 'self'; \
    object-src 'none'";

/// Threads that answer: a browser opens about six connections, and an answer is short.
const THREADS: usize = 4;

/// For addresses with a checksum of the content in them: what they give never changes.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// Everything else is asked for again, with the tag of the copy at hand.
const ASK_AGAIN: &str = "no-cache";

/// Why the page could not be served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The folder cannot be read.
    #[error("cannot serve {path}: {source}")]
    Root {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder holds no page.
    #[error("{path} has no index.html: build the page first, with `npm run build` in www")]
    NoPage {
        /// The folder.
        path: PathBuf,
    },
    /// The port cannot be had.
    #[error("cannot listen on 127.0.0.1:{port}: {reason}; another --port may be free")]
    Bind {
        /// The port asked for.
        port: u16,
        /// What the system says.
        reason: String,
    },
    /// A thread that answers could not be started.
    #[error("cannot start a thread for the server: {0}")]
    Thread(#[source] io::Error),
}

/// Serves the folder on 127.0.0.1 until the process ends.
///
/// Port 0 takes any free port. `opened` receives the page's address once it can be visited.
///
/// # Errors
///
/// If the folder holds no page or the port is taken.
pub fn serve(root: &Path, port: u16, opened: impl FnOnce(&str)) -> Result<(), ServeError> {
    let site = Arc::new(Site::open(root)?);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let server = Server::http(address).map_err(|reason| ServeError::Bind {
        port,
        reason: reason.to_string(),
    })?;
    let port = server.server_addr().to_ip().map_or(port, |a| a.port());
    let server = Arc::new(server);

    let mut threads = Vec::with_capacity(THREADS);
    for _ in 0..THREADS {
        let (site, server) = (Arc::clone(&site), Arc::clone(&server));
        let answer = move || {
            for request in server.incoming_requests() {
                respond(&site, request);
            }
        };
        let thread = thread::Builder::new().spawn(answer);
        threads.push(thread.map_err(ServeError::Thread)?);
    }
    opened(&format!("http://127.0.0.1:{port}/"));
    for thread in threads {
        // A thread that panicked has answered its last request; the others go on.
        let _ = thread.join();
    }
    Ok(())
}

/// Answers one request.
fn respond(site: &Site, request: Request) {
    let header = |name: &'static str| {
        let mut headers = request.headers().iter();
        let found = headers.find(|h| h.field.equiv(name));
        found.map(|h| h.value.as_str())
    };
    let answer = site.answer(&Asked {
        method: request.method(),
        url: request.url(),
        accept_encoding: header("Accept-Encoding").unwrap_or_default(),
        if_none_match: header("If-None-Match").unwrap_or_default(),
    });
    let headers = answer.headers.iter().filter_map(|(name, value)| {
        // Names and values are this module's own ASCII, so that nothing is lost here.
        Header::from_bytes(name.as_bytes(), value.as_bytes()).ok()
    });
    let (status, headers) = (answer.status.into(), headers.collect());
    // Where the browser has gone away there is nobody to tell.
    let _ = match answer.body {
        Body::Bytes(bytes) => {
            let length = bytes.len();
            request.respond(Response::new(
                status,
                headers,
                io::Cursor::new(bytes),
                Some(length),
                None,
            ))
        }
        Body::File(file, length) => request.respond(Response::new(
            status,
            headers,
            file,
            usize::try_from(length).ok(),
            None,
        )),
    };
}

/// What of a request matters.
struct Asked<'a> {
    method: &'a Method,
    url: &'a str,
    accept_encoding: &'a str,
    if_none_match: &'a str,
}

struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

enum Body {
    Bytes(Arc<[u8]>),
    File(File, u64),
}

/// A compressed file, and the tag of the content that was compressed.
struct Compressed {
    tag: String,
    bytes: Arc<[u8]>,
}

/// The files of the page.
struct Site {
    root: PathBuf,
    compressed: Mutex<HashMap<PathBuf, Compressed>>,
}

impl Site {
    fn open(root: &Path) -> Result<Self, ServeError> {
        let path = || root.to_path_buf();
        let root = root.canonicalize().map_err(|source| ServeError::Root {
            path: path(),
            source,
        })?;
        if !root.join("index.html").is_file() {
            return Err(ServeError::NoPage { path: path() });
        }
        Ok(Self {
            root,
            compressed: Mutex::default(),
        })
    }

    fn answer(&self, asked: &Asked<'_>) -> Answer {
        if !matches!(asked.method, Method::Get | Method::Head) {
            let mut refusal = plain(405, "only GET and HEAD are answered\n");
            refusal.headers.push(("Allow", "GET, HEAD".into()));
            return refusal;
        }
        let (path, query) = asked.url.split_once('?').unwrap_or((asked.url, ""));
        let found = self.find(path).and_then(|file| {
            let answer = self.file(&file, asked, forever(path, query));
            answer.ok()
        });
        found.unwrap_or_else(|| plain(404, "there is no such file\n"))
    }

    /// The file that a path of an address means, if it lies in the folder.
    fn find(&self, path: &str) -> Option<PathBuf> {
        let relative = relative(path)?;
        // Resolves links: one that leads out of the folder leads nowhere.
        let file = self.root.join(relative).canonicalize().ok()?;
        (file.starts_with(&self.root) && file.is_file()).then_some(file)
    }

    fn file(&self, path: &Path, asked: &Asked<'_>, forever: bool) -> io::Result<Answer> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let (mime, compressible) = kind(path);
        let gzip = compressible && accepts_gzip(asked.accept_encoding);
        let mut tag = tag(metadata.modified()?, metadata.len());
        if gzip {
            tag.insert_str(tag.len() - 1, "-gzip");
        }
        let mut headers = common_headers(mime);
        headers.push(("ETag", tag.clone()));
        let keep = if forever { FOREVER } else { ASK_AGAIN };
        headers.push(("Cache-Control", keep.into()));
        if compressible {
            headers.push(("Vary", "Accept-Encoding".into()));
        }
        if matches_tag(asked.if_none_match, &tag) {
            return Ok(Answer {
                status: 304,
                headers,
                body: Body::Bytes(Arc::default()),
            });
        }
        let body = if gzip {
            headers.push(("Content-Encoding", "gzip".into()));
            Body::Bytes(self.compress(path, tag)?)
        } else {
            Body::File(file, metadata.len())
        };
        Ok(Answer {
            status: 200,
            headers,
            body,
        })
    }

    /// The file compressed, from memory unless it has changed.
    fn compress(&self, path: &Path, tag: String) -> io::Result<Arc<[u8]>> {
        // A panic elsewhere cannot leave an entry half made: the map is only read and inserted to.
        let lock = || {
            self.compressed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(known) = lock().get(path).filter(|known| known.tag == tag) {
            return Ok(Arc::clone(&known.bytes));
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&fs::read(path)?)?;
        let bytes: Arc<[u8]> = encoder.finish()?.into();
        let compressed = Compressed {
            tag,
            bytes: Arc::clone(&bytes),
        };
        lock().insert(path.to_path_buf(), compressed);
        Ok(bytes)
    }
}

/// A short answer in words.
fn plain(status: u16, text: &'static str) -> Answer {
    Answer {
        status,
        headers: common_headers("text/plain; charset=utf-8"),
        body: Body::Bytes(text.as_bytes().into()),
    }
}

fn common_headers(mime: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Content-Type", mime.into()),
        ("Content-Security-Policy", CSP.into()),
        ("X-Content-Type-Options", "nosniff".into()),
        ("Referrer-Policy", "no-referrer".into()),
    ]
}

/// The path below the folder that a path of an address means; `None` for one that is not made of
/// plain names. Hidden files are none of the page's.
fn relative(path: &str) -> Option<PathBuf> {
    let decoded = percent_decode(path.strip_prefix('/')?)?;
    if decoded.is_empty() {
        return Some("index.html".into());
    }
    let plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && !name.contains(|c: char| matches!(c, '\\' | ':') || c.is_control())
    };
    let names = decoded.split('/');
    names.clone().all(plain).then(|| names.collect())
}

/// Replaces `%41` by `A`, and so on; `None` where that gives no text.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Whether this address always has the same content.
fn forever(path: &str, query: &str) -> bool {
    path.starts_with("/assets/") || query.starts_with("sha256=")
}

/// MIME type, and whether compressing is worth it.
fn kind(path: &Path) -> (&'static str, bool) {
    let extension = path.extension().and_then(|e| e.to_str());
    match extension.unwrap_or_default() {
        "html" => ("text/html; charset=utf-8", true),
        "js" | "mjs" => ("text/javascript; charset=utf-8", true),
        "css" => ("text/css; charset=utf-8", true),
        "json" | "map" => ("application/json", true),
        "webmanifest" => ("application/manifest+json", true),
        "wasm" => ("application/wasm", true),
        "svg" => ("image/svg+xml", true),
        "txt" | "md" => ("text/plain; charset=utf-8", true),
        "png" => ("image/png", false),
        "jpg" | "jpeg" => ("image/jpeg", false),
        "ico" => ("image/x-icon", false),
        "woff2" => ("font/woff2", false),
        // Without a Content-Encoding: the page wants the file as it is.
        "gz" => ("application/gzip", false),
        _ => ("application/octet-stream", false),
    }
}

/// Whether an Accept-Encoding header names gzip and does not refuse it by `q=0`.
fn accepts_gzip(header: &str) -> bool {
    header.split(',').any(|coding| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = parameters.trim().strip_prefix("q=");
        let refused = weight.and_then(|w| w.trim().parse().ok()) == Some(0.0_f32);
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// A tag that changes with the file.
fn tag(modified: SystemTime, length: u64) -> String {
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("\"{:x}-{length:x}\"", since.as_nanos())
}

/// Whether an If-None-Match header names this tag.
fn matches_tag(header: &str, tag: &str) -> bool {
    let mut tags = header.split(',').map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// Arguments of `serve`.
#[derive(clap::Args)]
pub struct ServeArgs {
    /// Folder of the built page.
    #[arg(default_value = "www/dist")]
    root: PathBuf,
    /// Port; 0 takes any free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

/// Serves until it is stopped.
pub fn run(args: &ServeArgs) -> Result<(), Box<dyn std::error::Error>> {
    Ok(serve(&args.root, args.port, |address| {
        println!("Pleura is at {address} (stop with Ctrl-C)");
    })?)
}

#[cfg(test)]
#[path = "serve/tests.rs"]
mod tests;
