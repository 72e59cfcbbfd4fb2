//! The ward page, metrics and health over a real socket.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use bedwatch::{
    board::Board,
    clock::{Clock, SystemClock},
    http::{self, Shared},
    live::Health,
    metrics::Metrics,
};

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text)
}

#[test]
fn page_metrics_and_health_answer_and_nothing_else_does() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let shared = Shared {
        board: Arc::new(Board::default()),
        metrics: Arc::new(Metrics::new()),
        health: Arc::new(Health::new(clock)),
        desk: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = runtime.block_on(http::serve("127.0.0.1:0", shared)).unwrap();
    let (status, page) = get(address, "/");
    assert_eq!(status, 200);
    let lower = page.to_ascii_lowercase();
    assert!(lower.contains("content-security-policy: default-src 'none'; script-src 'self'"), "{page}");
    assert!(!page.contains("http://") && !page.contains("https://"), "the page names another machine");
    for path in ["/ward.js", "/ward.css", "/api/v1/board", "/livez"] {
        assert_eq!(get(address, path).0, 200, "{path}");
    }
    // Nothing is assigned yet: alive, not ready.
    let (status, why) = get(address, "/readyz");
    assert_eq!(status, 503);
    assert!(why.contains("no partitions are assigned yet"), "{why}");
    let (status, metrics) = get(address, "/metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("bedwatch_dead_letters_total 0"), "{metrics}");
    let (_, board) = get(address, "/api/v1/board");
    assert!(board.contains(bedwatch_schemas::NOTICE), "{board}");
    assert_eq!(get(address, "/../Cargo.toml").0, 404);
    assert!(
        runtime
            .block_on(http::serve(
                "0.0.0.0:0",
                Shared {
                    board: Arc::default(),
                    metrics: Arc::default(),
                    health: Arc::new(Health::new(Arc::new(SystemClock::default()))),
                    desk: None,
                }
            ))
            .is_err()
    );
}
