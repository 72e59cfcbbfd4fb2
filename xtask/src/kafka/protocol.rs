//! The one request xtask speaks itself: CreateTopics, version 4.
//!
//! Kafka's own topic tool is another JVM start (about a second) and another set of jars; the request
//! is forty bytes. It is also the honest readiness check: a broker that has created a topic has its
//! listener, controller and storage up. Versions 2 to 4 share one layout without tagged fields and
//! are what Kafka 4 still serves at the low end (KIP-896; `CreateTopicsRequest.json` in its sources).

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const API_KEY: i16 = 19;
const API_VERSION: i16 = 4;
const CORRELATION: i32 = 1;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const LIMIT: Duration = Duration::from_secs(10);
/// Far above any honest answer for a dozen topics.
const MAX_RESPONSE_BYTES: usize = 1 << 20;

/// A topic to create.
pub(super) struct Topic {
    pub(super) name: &'static str,
    pub(super) partitions: i32,
    pub(super) compacted: bool,
}

/// Creates the topics; those that exist already are fine.
pub(super) fn create_topics(broker: SocketAddr, topics: &[Topic]) -> Result<()> {
    let mut stream =
        TcpStream::connect_timeout(&broker, LIMIT).with_context(|| format!("cannot reach {broker}"))?;
    stream
        .set_read_timeout(Some(LIMIT))
        .and_then(|()| stream.set_write_timeout(Some(LIMIT)))
        .context("cannot set a time limit")?;
    stream.write_all(&request(topics)).context("the broker took no request")?;
    let mut size = [0; 4];
    stream.read_exact(&mut size).context("the broker gave no answer")?;
    let size = u32::from_be_bytes(size) as usize;
    if size > MAX_RESPONSE_BYTES {
        bail!("the answer of {broker} is not Kafka's");
    }
    let mut response = vec![0; size];
    stream.read_exact(&mut response).context("the broker's answer broke off")?;
    for (name, code) in parse_response(&response).context("the broker's answer is malformed")? {
        if code != 0 && code != TOPIC_ALREADY_EXISTS {
            bail!("the broker refused topic {name} with error code {code}");
        }
    }
    Ok(())
}

fn request(topics: &[Topic]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(API_KEY.to_be_bytes());
    body.extend(API_VERSION.to_be_bytes());
    body.extend(CORRELATION.to_be_bytes());
    put_string(&mut body, "xtask");
    put_count(&mut body, topics.len());
    for topic in topics {
        put_string(&mut body, topic.name);
        body.extend(topic.partitions.to_be_bytes());
        body.extend(1i16.to_be_bytes()); // replication factor
        put_count(&mut body, 0); // no manual assignment
        put_count(&mut body, usize::from(topic.compacted));
        if topic.compacted {
            put_string(&mut body, "cleanup.policy");
            put_string(&mut body, "compact");
        }
    }
    body.extend(5_000i32.to_be_bytes()); // the broker's own limit, in milliseconds
    body.push(0); // create, do not only validate
    let mut framed = Vec::with_capacity(body.len() + 4);
    put_count(&mut framed, body.len());
    framed.extend(body);
    framed
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend(i32::try_from(count).expect("a request for a dozen topics is small").to_be_bytes());
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend(i16::try_from(text.len()).expect("topic names are short").to_be_bytes());
    out.extend(text.as_bytes());
}

/// Name and error code of each topic; `None` where the bytes are not a CreateTopics response.
fn parse_response(mut bytes: &[u8]) -> Option<Vec<(String, i16)>> {
    let input = &mut bytes;
    if take_i32(input)? != CORRELATION {
        return None;
    }
    take_i32(input)?; // throttle time
    let count = take_i32(input)?;
    let mut topics = Vec::new();
    for _ in 0..count {
        let name = take_string(input)??;
        let code = take_i16(input)?;
        take_string(input)?; // message
        topics.push((name, code));
    }
    Some(topics)
}

fn take_i32(input: &mut &[u8]) -> Option<i32> {
    let (bytes, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(i32::from_be_bytes(*bytes))
}

fn take_i16(input: &mut &[u8]) -> Option<i16> {
    let (bytes, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(i16::from_be_bytes(*bytes))
}

/// Length -1 is null: the outer `Option` is about the bytes, the inner one about the value.
fn take_string(input: &mut &[u8]) -> Option<Option<String>> {
    let length = take_i16(input)?;
    let Ok(length) = usize::try_from(length) else { return Some(None) };
    let (bytes, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(Some(String::from_utf8_lossy(bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const TWO: &[Topic] = &[
        Topic { name: "a", partitions: 2, compacted: false },
        Topic { name: "s", partitions: 1, compacted: true },
    ];

    /// Correlation, throttle, then each topic with its code and a null message.
    fn response(codes: &[i16]) -> Vec<u8> {
        let mut bytes = [CORRELATION.to_be_bytes(), [0; 4]].concat();
        put_count(&mut bytes, codes.len());
        for code in codes {
            put_string(&mut bytes, "a");
            bytes.extend(code.to_be_bytes());
            bytes.extend((-1i16).to_be_bytes());
        }
        bytes
    }

    #[test]
    fn the_request_is_laid_out_as_the_protocol_says() {
        let expected: &[u8] = b"\0\0\0\x55\0\x13\0\x04\0\0\0\x01\0\x05xtask\0\0\0\x02\
            \0\x01a\0\0\0\x02\0\x01\0\0\0\0\0\0\0\0\
            \0\x01s\0\0\0\x01\0\x01\0\0\0\0\0\0\0\x01\0\x0ecleanup.policy\0\x07compact\
            \0\0\x13\x88\0";
        let made = request(TWO);
        assert_eq!(made[4..], expected[4..]);
        assert_eq!(made[..4], u32::try_from(made.len() - 4).unwrap().to_be_bytes());
    }

    #[test]
    fn a_response_cut_anywhere_is_malformed_and_never_panics() {
        let whole = response(&[0, 36]);
        assert_eq!(parse_response(&whole).unwrap(), [("a".to_owned(), 0), ("a".to_owned(), 36)]);
        for cut in 0..whole.len() {
            assert!(parse_response(&whole[..cut]).is_none(), "cut at {cut}");
        }
        let mut other = whole;
        other[3] = 9; // another request's answer
        assert!(parse_response(&other).is_none());
    }

    #[test]
    fn an_existing_topic_is_fine_and_a_refusal_is_an_error() {
        for (codes, fine) in [(&[0, 36][..], true), (&[0, 38], false)] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let reply = response(codes);
            let broker = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = vec![0; request(TWO).len()];
                stream.read_exact(&mut asked).unwrap();
                stream.write_all(&u32::try_from(reply.len()).unwrap().to_be_bytes()).unwrap();
                stream.write_all(&reply).unwrap();
                asked
            });
            assert_eq!(create_topics(address, TWO).is_ok(), fine, "{codes:?}");
            assert_eq!(broker.join().unwrap(), request(TWO));
        }
    }
}
