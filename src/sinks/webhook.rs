//! The webhook: a CloudEvent, signed after the Standard Webhooks specification 1.0 (HMAC-SHA256 of
//! id, timestamp and body).
//!
//! The id is the message's, the same in every try; the timestamp is the try's, so that a receiver
//! can refuse what was recorded and sent again.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bedwatch_alerts::render::{cloud_event, message_id};
use bedwatch_schemas::alert::Alert;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{
    client::Client,
    config::{Error, Webhook, secret},
    delivery::{Peer, Trouble},
};
use crate::clock::Clock;

/// The fewest bytes a secret may have (Standard Webhooks).
const MIN_SECRET: usize = 24;

/// A receiver and the secret shared with it.
pub(super) struct Hook {
    client: Client,
    secret: Vec<u8>,
    clock: Arc<dyn Clock>,
}

impl Hook {
    pub(super) fn new(config: &Webhook, timeout: Duration, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Content(config.secret_file.clone(), why.to_owned());
        let text = secret(&config.secret_file)?;
        let secret = STANDARD
            .decode(text.strip_prefix("whsec_").unwrap_or(&text))
            .map_err(|_| wrong("the secret must be `whsec_` and base64"))?;
        if secret.len() < MIN_SECRET {
            return Err(wrong("the secret must have at least 24 bytes"));
        }
        let client = Client::new("webhook.url", &config.url, &config.authorities, timeout)?;
        Ok(Self { client, secret, clock })
    }
}

impl Peer for Hook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    async fn send(&mut self, alert: &Alert) -> Result<(), Trouble> {
        let id = message_id(alert);
        let body = cloud_event::body(alert);
        let timestamp = (self.clock.now().as_millis() / 1_000).to_string();
        let signature = signature(&self.secret, &id, &timestamp, &body);
        let headers = [
            ("content-type", cloud_event::CONTENT_TYPE),
            ("idempotency-key", id.as_str()),
            ("webhook-id", id.as_str()),
            ("webhook-timestamp", timestamp.as_str()),
            ("webhook-signature", signature.as_str()),
        ];
        self.client.post(&headers, body).await
    }
}

/// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
fn signature(secret: &[u8], id: &str, timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's reference libraries.
    #[test]
    fn the_published_example_is_signed_alike() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
