//! librdkafka properties of a site. They may hold secrets, so what they print holds no value.

use std::collections::BTreeMap;

use rdkafka::{ClientConfig, error::KafkaError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Error;

/// What the name of a property ends in where its value is the path of a file that holds it.
pub const FILE: &str = "_file";

/// Parts of the names of librdkafka's properties whose values nobody else may know.
const SECRET: [&str; 5] = ["password", "secret", "ssl.key.pem", "oauthbearer.config", "token"];

/// librdkafka properties by name. `Debug` prints names, never values.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Properties(pub BTreeMap<String, String>);

impl std::fmt::Debug for Properties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.0.keys().map(|name| (name, format_args!("***")))).finish()
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for Properties {
    fn from(pairs: [(K, V); N]) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

/// Whether a property's value is a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    SECRET.iter().any(|part| name.contains(part)) && !name.ends_with(FILE)
}

impl Properties {
    /// Names whose secret stands here in the clear.
    pub fn in_the_clear(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|name| is_secret(name))
    }

    /// Names given by a file, with its path: `sasl.password` of `sasl.password_file`.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, path)| Some((name.strip_suffix(FILE)?, path.as_str())))
    }

    /// What librdkafka thinks of each property that is not given by a file: names it does not know or
    /// whose value it refuses. Nothing is connected and no value is told.
    #[must_use]
    pub fn refused(&self) -> Vec<(&str, &'static str)> {
        let given = self.0.iter().filter(|(name, _)| !name.ends_with(FILE));
        let refused = given.filter_map(|(name, value)| {
            let error = ClientConfig::new().set(name, value).create_native_config().err()?;
            Some((name.as_str(), why(&error)))
        });
        refused.collect()
    }
}

/// Why a property was refused, without its value.
fn why(error: &KafkaError) -> &'static str {
    use rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN;
    match error {
        KafkaError::ClientConfig(RD_KAFKA_CONF_UNKNOWN, ..) => "is not known to librdkafka",
        KafkaError::ClientConfig(_, words, ..) if words.contains("not supported in this build") => {
            "is not supported by this build (TLS to Kafka needs --features kafka-tls)"
        }
        _ => "is refused by librdkafka",
    }
}

impl Error {
    /// The client's error without the value of a property, which the client would print.
    #[must_use]
    pub fn of_client(what: &'static str, source: KafkaError) -> Self {
        let source = match source {
            KafkaError::ClientConfig(code, words, key, _) => {
                let source = KafkaError::ClientConfig(code, words, String::new(), String::new());
                KafkaError::ClientConfig(code, why(&source).to_owned(), key, String::new())
            }
            other => other,
        };
        Self::Client { what, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_printed() {
        let secret = "hunter2-canary";
        let given = Properties::from([
            ("sasl.password", secret),
            ("sasl.pasword", secret),
            ("acks", secret),
            ("ssl.key.password_file", "/run/secrets/key"),
            ("client.id", "ward"),
        ]);
        assert!(!format!("{given:?}").contains(secret));
        assert!(format!("{given:?}").contains("sasl.password"));
        let refused = given.refused();
        assert_eq!(
            refused,
            [("acks", "is refused by librdkafka"), ("sasl.pasword", "is not known to librdkafka")]
        );
        assert_eq!(given.in_the_clear().collect::<Vec<_>>(), ["sasl.password"]);
        assert_eq!(given.files().collect::<Vec<_>>(), [("ssl.key.password", "/run/secrets/key")]);
        let error = ClientConfig::new().set("sasl.pasword", secret).create_native_config().err().unwrap();
        assert!(error.to_string().contains(secret), "the client prints values");
        let ours = Error::of_client("a producer", error).to_string();
        assert!(ours.contains("sasl.pasword") && !ours.contains(secret), "{ours}");
    }

    #[test]
    fn secrets_by_name() {
        for (name, secret) in [
            ("sasl.password", true),
            ("ssl.key.password", true),
            ("ssl.keystore.password", true),
            ("ssl.key.pem", true),
            ("sasl.oauthbearer.client.secret", true),
            ("sasl.oauthbearer.config", true),
            ("sasl.password_file", false),
            ("sasl.username", false),
            ("ssl.certificate.pem", false),
            ("ssl.key.location", false),
        ] {
            assert_eq!(is_secret(name), secret, "{name}");
        }
    }
}
