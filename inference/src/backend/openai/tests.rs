//! Against servers in this process that answer well, slowly, wrongly, too much, elsewhere, never.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::AtomicI64,
};

use bedwatch_schemas::{
    alert::{AlertKind, Phase, Priority},
    evidence::Evidence,
    rationale::RationaleSource,
    time::Span,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::*;
use crate::{check::tests::evidence, writer::Writer};

const GOOD: &str = "Signs of sepsis: heart rate {f0}, mean pressure {f1} critically low and falling.";

/// A request as a server saw it, head and body.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// What a server does with a connection after it has read a request.
type Serve = Box<dyn Fn(&mut dyn Write) -> std::io::Result<()> + Send>;

/// Reads one request.
fn read(stream: &mut dyn Read) -> Option<String> {
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .to_lowercase()
                .lines()
                .find_map(|l| l.strip_prefix("content-length:").and_then(|v| v.trim().parse::<usize>().ok()));
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => seen.extend_from_slice(&chunk[..n]),
            _ => return None,
        }
    }
}

/// Serves every connection in turn, each on its own thread; returns the base address and what was asked.
fn server(serve: impl Fn(&mut dyn Write) -> std::io::Result<()> + Send + Sync + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (seen, serve) = (Seen::default(), Arc::new(serve));
    let told = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (serve, told) = (serve.clone(), told.clone());
            std::thread::spawn(move || connection(stream, &told, &*serve));
        }
    });
    (url, seen)
}

fn connection(mut stream: TcpStream, seen: &Seen, serve: &dyn Fn(&mut dyn Write) -> std::io::Result<()>) {
    while let Some(request) = read(&mut stream) {
        seen.0.lock().unwrap().push(request);
        if serve(&mut stream).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

/// A response of this status with this body.
fn respond(out: &mut dyn Write, status: &str, body: &str) -> std::io::Result<()> {
    write!(
        out,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A chat completion that says this.
fn completion(text: &str) -> String {
    serde_json::json!({
        "id": "x", "object": "chat.completion", "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1}
    })
    .to_string()
}

fn config(url: &str) -> Config {
    Config {
        url: url.to_owned(),
        model: "m".to_owned(),
        api_key: None,
        ca: None,
        timeout: Duration::from_millis(300),
        breaker: breaker::Config { open_after: 3, rest: Span::secs(30) },
    }
}

/// A clock the test turns, in seconds.
fn clock() -> (Arc<AtomicI64>, Now) {
    let secs = Arc::new(AtomicI64::new(0));
    let hand = secs.clone();
    (secs, Arc::new(move || ArrivalTime::from_millis(hand.load(Ordering::Relaxed) * 1_000)))
}

fn request(evidence: &Evidence) -> Request<'_> {
    Request {
        kind: AlertKind::Sepsis,
        phase: Phase::Raised,
        priority: Priority::High,
        evidence,
        embedding: &[],
    }
}

/// The reason the template spoke for; `None` when the model did.
fn reason(writer: &Writer) -> Option<TemplateReason> {
    match writer.write(&request(&evidence()), &|| false).source {
        RationaleSource::Model(_) => None,
        RationaleSource::Template(reason) => Some(reason),
    }
}

#[test]
fn a_good_reply_is_printed_checked_and_shown() {
    let (url, seen) = server(|out| respond(out, "200 OK", &completion(GOOD)));
    let keyed = Config { api_key: Some("secret-1\n".to_owned()), ..config(&url) };
    let writer = Writer::with(OpenAi::new(keyed, clock().1).unwrap());
    for _ in 0..2 {
        let rationale = writer.write(&request(&evidence()), &|| false);
        assert_eq!(
            rationale.text,
            "Signs of sepsis: heart rate 118 /min at 03:10, mean pressure 58 mmHg critically low and falling."
        );
        let model = ModelRef { name: "m".to_owned(), version: "server".to_owned() };
        assert_eq!(rationale.source, RationaleSource::Model(model));
    }
    assert_eq!(writer.counts().model, 2);
    let asked = seen.all();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(asked[0].to_lowercase().contains("authorization: bearer secret-1\r\n"));
    let body: serde_json::Value = serde_json::from_str(asked[0].split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!((body["temperature"].as_f64(), body["stream"].as_bool()), (Some(0.0), Some(false)));
    let said = body["messages"][1]["content"].as_str().unwrap();
    assert!(said.contains("{f1}: arterial mean pressure; band: critical low; trend: falling"), "{said}");
    assert!(!said.contains("118") && !said.contains("58"), "values stay behind: {said}");
}

/// Each way a server can fail, and what it is counted as.
#[test]
fn every_failure_ends_in_the_template_with_its_reason() {
    use TemplateReason as R;
    let say = |text: &str| {
        let body = completion(text);
        Box::new(move |out: &mut dyn Write| respond(out, "200 OK", &body)) as Serve
    };
    let body = |body: String| Box::new(move |out: &mut dyn Write| respond(out, "200 OK", &body)) as Serve;
    let status = |s: &'static str| Box::new(move |out: &mut dyn Write| respond(out, s, "{}")) as Serve;
    let raw = |text: &'static str| {
        Box::new(move |out: &mut dyn Write| {
            out.write_all(text.as_bytes())?;
            Err(std::io::ErrorKind::BrokenPipe.into())
        }) as Serve
    };
    let silent = || -> Serve {
        Box::new(|_| {
            std::thread::park_timeout(Duration::from_secs(2));
            Err(std::io::ErrorKind::BrokenPipe.into())
        })
    };
    let dripping: Serve = Box::new(|out| {
        write!(out, "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")?;
        for _ in 0..200 {
            out.write_all(b" ")?;
            out.flush()?;
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    });
    let endless: Serve = Box::new(|out| {
        write!(out, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        loop {
            write!(out, "1000\r\n{}\r\n", "x".repeat(0x1000))?;
        }
    });
    let long_head: Serve = Box::new(|out| {
        write!(out, "HTTP/1.1 200 OK\r\n")?;
        loop {
            writeln!(out, "x-{}: y\r", "a".repeat(1000))?;
        }
    });
    let cut = serde_json::json!({"choices": [{"message": {"content": GOOD}, "finish_reason": "length"}]});
    let cases: Vec<(&str, Serve, R)> = vec![
        ("slow", silent(), R::BackendTimeout),
        ("dripping", dripping, R::BackendTimeout),
        ("closes at once", raw(""), R::BackendUnreachable),
        ("closes in the body", raw("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"), R::BackendUnreachable),
        ("no HTTP", raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"), R::BackendReply),
        ("endless body", endless, R::BackendReply),
        ("endless head", long_head, R::BackendReply),
        ("body over the limit", body("x".repeat(300 * 1024)), R::BackendReply),
        ("no JSON", body("<html>".to_owned()), R::BackendReply),
        ("other JSON", body("{\"choices\": 3}".to_owned()), R::BackendReply),
        ("no choice", body("{\"choices\": []}".to_owned()), R::BackendReply),
        ("no text", body("{\"choices\": [{\"message\": {\"content\": null}}]}".to_owned()), R::BackendReply),
        ("cut short", body(cut.to_string()), R::BackendReply),
        ("deep JSON", body("[".repeat(100_000)), R::BackendReply),
        ("not found", status("404 Not Found"), R::BackendRefused),
        ("unauthorized", status("401 Unauthorized"), R::BackendRefused),
        ("overloaded", status("503 Service Unavailable"), R::BackendRefused),
        (
            "redirect",
            raw(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            ),
            R::BackendRefused,
        ),
        ("a number of its own", say("Heart rate 118 /min."), R::BackendReply),
        ("a slot that is not there", say("Heart rate {f7}."), R::BackendReply),
        ("nothing", say(""), R::CheckFailed),
        ("advice", say("Heart rate {f0}. Give fluids."), R::CheckFailed),
        ("a wrong trend", say("Heart rate {f0} and falling."), R::CheckFailed),
        ("another's value", say("Lactate {f0}."), R::CheckFailed),
        ("a name", say("Mr Smith: heart rate {f0}."), R::CheckFailed),
        ("markup", say("**Heart rate** {f0}."), R::CheckFailed),
        ("thinking aloud", say("<think>heart rate</think> Heart rate {f0}."), R::CheckFailed),
    ];
    for (name, serve, want) in cases {
        let serve = Mutex::new(serve);
        let (url, _) = server(move |out| (serve.lock().unwrap())(out));
        let writer = Writer::with(OpenAi::new(config(&url), clock().1).unwrap());
        assert_eq!(reason(&writer), Some(want), "{name}");
        assert_eq!(writer.counts().template[want.name()], 1, "{name}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let writer = Writer::with(OpenAi::new(config(&format!("http://{nobody}/v1")), clock().1).unwrap());
    assert_eq!(reason(&writer), Some(R::BackendUnreachable));
}

#[test]
fn a_redirect_is_not_followed() {
    let (elsewhere, visited) = server(|out| respond(out, "200 OK", &completion(GOOD)));
    let (url, _) = server(move |out| {
        write!(
            out,
            "HTTP/1.1 302 Found\r\nlocation: {elsewhere}/chat/completions\r\ncontent-length: 0\r\n\r\n"
        )
    });
    let writer = Writer::with(OpenAi::new(config(&url), clock().1).unwrap());
    assert_eq!(reason(&writer), Some(TemplateReason::BackendRefused));
    assert!(visited.all().is_empty());
}

#[test]
fn the_breaker_opens_rests_and_tries_again() {
    let (good, calls) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (is_good, count) = (good.clone(), calls.clone());
    let (url, _) = server(move |out| {
        count.fetch_add(1, Ordering::SeqCst);
        let status = if is_good.load(Ordering::SeqCst) == 1 { "200 OK" } else { "500 Oh" };
        respond(out, status, &completion(GOOD))
    });
    let (secs, now) = clock();
    let writer = Writer::with(OpenAi::new(config(&url), now).unwrap());
    for _ in 0..3 {
        assert_eq!(reason(&writer), Some(TemplateReason::BackendRefused));
    }
    for _ in 0..5 {
        assert_eq!(reason(&writer), Some(TemplateReason::BackendOpen));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3, "an open breaker sends nothing");
    secs.store(30, Ordering::Relaxed);
    assert_eq!(reason(&writer), Some(TemplateReason::BackendRefused), "the trial fails");
    assert_eq!(reason(&writer), Some(TemplateReason::BackendOpen));
    good.store(1, Ordering::SeqCst);
    secs.store(60, Ordering::Relaxed);
    assert_eq!((reason(&writer), reason(&writer)), (None, None), "the trial succeeds, and all is well");
    // A reply that the checker refuses is no fault of the server.
    assert_eq!(calls.load(Ordering::SeqCst), 6);
}

#[test]
fn the_deadline_ends_the_wait_and_calls_do_not_pile_up() {
    let (release, held) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (open, count) = (release.clone(), held.clone());
    let (url, _) = server(move |out| {
        count.fetch_add(1, Ordering::SeqCst);
        while open.load(Ordering::SeqCst) == 0 {
            std::thread::park_timeout(Duration::from_millis(2));
        }
        respond(out, "200 OK", &completion(GOOD))
    });
    let patient = Config { timeout: Duration::from_secs(20), ..config(&url) };
    let openai = OpenAi::new(patient, clock().1).unwrap();
    let server = openai.server.clone();
    let writer = Writer::with(openai);
    let e = evidence();
    for call in 1..=MAX_CALLS {
        // The deadline comes once the server holds the call.
        let late = writer.write(&request(&e), &|| held.load(Ordering::SeqCst) >= call);
        assert_eq!(late.source, RationaleSource::Template(TemplateReason::Deadline));
    }
    assert_eq!(reason(&writer), Some(TemplateReason::BackendBusy));
    assert_eq!(held.load(Ordering::SeqCst), MAX_CALLS);
    release.store(1, Ordering::SeqCst);
    while server.under_way.load(Ordering::SeqCst) > 0 {
        std::thread::park_timeout(Duration::from_millis(2));
    }
    assert_eq!(reason(&writer), None, "the calls came back, and there is room again");
    let at_once = writer.write(&request(&e), &|| true);
    assert_eq!(at_once.source, RationaleSource::Template(TemplateReason::Deadline));
}

#[test]
fn https_trusts_the_named_authority_and_no_other() {
    let authority = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        (pem, Issuer::new(params, key))
    };
    let ((ours, issuer), (other, _)) = (authority("ours"), authority("other"));
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let chain = vec![certificate.der().clone()];
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key.into())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/v1", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = rustls::ServerConnection::new(Arc::new(tls.clone())).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            if read(&mut stream).is_some() {
                let _ = respond(&mut stream, "200 OK", &completion(GOOD));
            }
        }
    });
    for (name, ca, want) in
        [("ours", ours, None), ("another", other, Some(TemplateReason::BackendUnreachable))]
    {
        let trusting = Config { ca: Some(ca.into_bytes()), timeout: Duration::from_secs(5), ..config(&url) };
        let writer = Writer::with(OpenAi::new(trusting, clock().1).unwrap());
        assert_eq!(reason(&writer), want, "{name}");
    }
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let base = config("http://127.0.0.1:8000/v1");
    let with = |change: &dyn Fn(&mut Config)| {
        let mut config = base.clone();
        change(&mut config);
        OpenAi::new(config, clock().1).map(|_| ()).unwrap_err()
    };
    assert_eq!(with(&|c| c.url = "127.0.0.1:8000".into()), Error::Url);
    assert_eq!(with(&|c| c.url = "http:///v1".into()), Error::Url);
    assert_eq!(with(&|c| c.url = "ftp://host/v1".into()), Error::Url);
    assert_eq!(with(&|c| c.model = " ".into()), Error::Model);
    assert_eq!(with(&|c| c.timeout = Duration::ZERO), Error::Timeout);
    assert_eq!(with(&|c| c.api_key = Some("a\r\nx-other: b".into())), Error::Key);
    assert_eq!(with(&|c| c.url = "https://host/v1".into()), Error::Authority);
    let https = |c: &mut Config| {
        c.url = "https://host/v1".into();
        c.ca = Some(b"nothing".to_vec());
    };
    assert_eq!(with(&https), Error::Certificate);
    let debug =
        format!("{:?}", OpenAi::new(Config { api_key: Some("secret".into()), ..base }, clock().1).unwrap());
    assert!(!debug.contains("secret"), "{debug}");
}
