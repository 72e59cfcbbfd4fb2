//! HTTP: the ward page, metrics, health, and what people say of alerts.
//!
//! Everything is served from the binary, nothing is fetched from elsewhere, and the page builds its
//! content from JSON by text nodes only, so hospital text cannot become markup. There is no
//! authentication yet, so only loopback addresses are accepted.

mod feedback;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
pub use feedback::Desk;

pub mod alerts;

use crate::{board::Board, live::Health, metrics::Metrics};

const PAGE: &str = include_str!("http/ward.html");
const SCRIPT: &str = include_str!("http/ward.js");
const STYLE: &str = include_str!("http/ward.css");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the handlers read.
#[derive(Clone)]
pub struct Shared {
    /// The beds.
    pub board: Arc<Board>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The loop's health.
    pub health: Arc<Health>,
    /// Where what people say goes; without one it is refused.
    pub desk: Option<Arc<Desk>>,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an address.
    #[error("{0} is not an address; write it as 127.0.0.1:8080")]
    Address(String),
    /// Not loopback.
    #[error(
        "{0} is not a loopback address: the ward page has no authentication yet, so it is served on 127.0.0.1 only"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be bound.
    #[error("{0} cannot be bound ({1}); choose another with --listen")]
    Bind(SocketAddr, std::io::Error),
}

/// Binds and serves until the runtime ends; returns the bound address.
///
/// # Errors
/// When the address is not loopback or cannot be bound.
pub async fn serve(listen: &str, shared: Shared) -> Result<SocketAddr, Error> {
    listening(listen, router(shared)).await
}

/// As [`serve`], and tells of alerts too: as a stream and as CDS Hooks cards.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with_alerts(
    listen: &str,
    shared: Shared,
    alerts: alerts::Alerts,
) -> Result<SocketAddr, Error> {
    listening(listen, router(shared).merge(alerts.router())).await
}

/// Binds and serves metrics and health alone: for a process without an engine. `unready` says why it
/// is not ready, if it is not.
///
/// # Errors
/// As [`serve`].
pub async fn serve_health(
    listen: &str,
    metrics: Arc<Metrics>,
    unready: Arc<dyn Fn() -> Option<&'static str> + Send + Sync>,
) -> Result<SocketAddr, Error> {
    let ready = move || {
        let why = unready();
        async move {
            match why {
                None => (StatusCode::OK, "ok\n"),
                Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
            }
        }
    };
    let told = move || {
        let text = metrics.text();
        async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text) }
    };
    let app = Router::new()
        .route("/metrics", get(told))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready));
    listening(listen, app).await
}

async fn listening(listen: &str, app: Router) -> Result<SocketAddr, Error> {
    let address: SocketAddr = listen.parse().map_err(|_| Error::Address(listen.to_owned()))?;
    if !address.ip().is_loopback() {
        return Err(Error::NotLoopback(address));
    }
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|e| Error::Bind(address, e))?;
    let bound = listener.local_addr().map_err(|e| Error::Bind(address, e))?;
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(%error, "the HTTP server ended");
        }
    });
    Ok(bound)
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/", get(|| async { text("text/html; charset=utf-8", PAGE) }))
        .route("/ward.js", get(|| async { text("text/javascript; charset=utf-8", SCRIPT) }))
        .route("/ward.css", get(|| async { text("text/css; charset=utf-8", STYLE) }))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route("/api/v1/board", get(board))
        .route("/api/v1/withheld", get(withheld))
        .route("/api/v1/shadow", get(shadow))
        .merge(said())
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(shared)
}

/// What changes something: for this machine's own pages and programs only.
fn said() -> Router<Shared> {
    Router::new()
        .route("/api/v1/alerts/{id}/{verb}", post(feedback::post))
        .route_layer(DefaultBodyLimit::max(feedback::BODY))
        .route_layer(middleware::from_fn(feedback::own_host))
}

fn text(kind: &'static str, body: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, body).into_response()
}

async fn board(State(shared): State<Shared>) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(shared.board.snapshot())).into_response()
}

async fn withheld(State(shared): State<Shared>) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(shared.board.ledger())).into_response()
}

/// How the candidate compares; `null` where there is none.
async fn shadow(State(shared): State<Shared>) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(shared.board.shadow_view())).into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], shared.metrics.text()).into_response()
}

async fn livez(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    if shared.health.is_alive() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the loop has stopped turning\n")
    }
}

async fn readyz(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    match shared.health.unready() {
        None => (StatusCode::OK, "ok\n"),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}
