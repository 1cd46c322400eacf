//! A server of HTTP that says what a test wants, also what no server should.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

const PATIENCE: Duration = Duration::from_secs(30);

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method and target.
    pub(crate) line: String,
    /// The token that came with it.
    pub(crate) token: Option<String>,
    pub(crate) body: String,
    /// Whether who asked showed a certificate of our authority.
    pub(crate) is_certified: bool,
}

/// What is answered.
pub(crate) enum Says {
    /// A status and a body.
    Body(u16, String),
    /// 200, and lines as they come, until their sender is dropped.
    Lines(Receiver<String>),
}

type Answers = dyn Fn(&Asked) -> Says + Send + Sync;

type Log = (Mutex<VecDeque<Asked>>, Condvar);

/// A running server. It serves until the test's process ends.
pub(crate) struct Mock {
    pub(crate) port: u16,
    asked: Arc<Log>,
}

impl Mock {
    pub(crate) fn start(answers: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Self {
        Self::serve(answers, |stream, answers, log| answer(stream, false, answers, log))
    }

    /// The same, by TLS.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn start_tls(answers: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Self {
        let config = Arc::new(tls());
        Self::serve(answers, move |mut stream, answers, log| {
            let mut session = ServerConnection::new(config.clone()).expect("a good config");
            // Whose certificate is not trusted hears no more.
            let Ok(_) = session.complete_io(&mut stream) else { return };
            let is_certified = session.peer_certificates().is_some();
            let mut stream = StreamOwned::new(session, stream);
            answer(&mut stream, is_certified, answers, log);
            stream.conn.send_close_notify();
            let _ = stream.flush(); // who asked may have gone
        })
    }

    fn serve(
        answers: impl Fn(&Asked) -> Says + Send + Sync + 'static,
        serve: impl Fn(TcpStream, &Answers, &Log) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let asked = Arc::new((Mutex::new(VecDeque::new()), Condvar::new()));
        let (served, log) = (Arc::new((answers, serve)), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (served, log) = (served.clone(), log.clone());
                thread::spawn(move || (served.1)(stream, &served.0, &log));
            }
        });
        Self { port, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    #[cfg(feature = "kubernetes")]
    pub(crate) fn https(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The next request that was made.
    pub(crate) fn next(&self) -> Asked {
        let (asked, told) = &*self.asked;
        let waiting = asked.lock().expect("no thread panics with it");
        let (mut waiting, _) = told
            .wait_timeout_while(waiting, PATIENCE, |waiting| waiting.is_empty())
            .expect("no thread panics with it");
        waiting.pop_front().expect("a request in time")
    }

    /// The next request whose line begins so.
    pub(crate) fn until(&self, begin: &str) -> Asked {
        loop {
            let asked = self.next();
            if asked.line.starts_with(begin) {
                return asked;
            }
        }
    }

    /// How many requests nobody has looked at.
    pub(crate) fn unread(&self) -> usize {
        self.asked.0.lock().expect("no thread panics with it").len()
    }
}

#[cfg(feature = "kubernetes")]
fn tls() -> ServerConfig {
    let file = |name: &str| format!("{}/tests/servers/certificates/{name}", env!("CARGO_MANIFEST_DIR"));
    let certificate = |name: &str| CertificateDer::from_pem_file(file(name)).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut clients = RootCertStore::empty();
    clients.add(certificate("authority.pem")).expect("an authority");
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider.clone());
    let clients = clients.allow_unauthenticated().build().expect("an authority");
    let key = PrivateKeyDer::from_pem_file(file("server.key")).expect("a key");
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("good versions")
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate("server.pem")], key)
        .expect("the certificate's key")
}

fn answer(mut stream: impl Read + Write, is_certified: bool, answers: &Answers, log: &Log) {
    let Some(asked) = read(&mut stream, is_certified) else { return };
    let mut writer = stream;
    log.0.lock().expect("no thread panics with it").push_back(asked.clone());
    log.1.notify_all();
    // Who asked may have gone at any point.
    let _ = match answers(&asked) {
        Says::Body(status, body) => {
            let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n", body.len());
            write!(writer, "{head}connection: close\r\n\r\n{body}")
        }
        Says::Lines(lines) => {
            let mut written = write!(writer, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
            for line in lines {
                written = written.and_then(|()| writeln!(writer, "{line}")).and_then(|()| writer.flush());
            }
            written
        }
    };
}

fn read(stream: impl Read, is_certified: bool) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (mut token, mut length) = (None, 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => token = value.trim().strip_prefix("Bearer ").map(str::to_owned),
            "content-length" => length = value.trim().parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let line = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
    Some(Asked { line, token, body: String::from_utf8(body).ok()?, is_certified })
}

/// Answers that are handed out in turn.
pub(crate) fn in_turn(answers: impl IntoIterator<Item = Says>) -> impl Fn(&Asked) -> Says + Send + Sync {
    let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
    move |_| {
        let mut answers = answers.lock().expect("no thread panics with it");
        let next = answers.pop_front();
        next.unwrap_or_else(|| Says::Body(500, "no more answers".into()))
    }
}

/// Lines that a test sends.
pub(crate) fn lines() -> (Sender<String>, Says) {
    let (sender, receiver) = channel();
    (sender, Says::Lines(receiver))
}
