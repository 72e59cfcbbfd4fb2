//! The gateway against the embedded broker: what a sender is told, and what Kafka then holds.

mod fhir;
mod hapi;
mod mllp;
mod strain;
mod tls;
mod whole;

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use bedwatch::{clock::SystemClock, config::Config, gateway::Gateway, metrics::Metrics};
use bedwatch_ingest::kafka::{Topics, embedded::Broker};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    config::ClientConfig,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::Headers as _,
};

/// Partitions of each topic.
const PARTITIONS: i32 = 2;
/// Far longer than any answer takes.
pub const WAIT: Duration = Duration::from_secs(60);

/// A gateway with its broker.
pub struct Site {
    pub gateway: Gateway,
    pub metrics: Metrics,
    pub runtime: tokio::runtime::Runtime,
    pub topics: Topics,
    pub broker: Broker,
}

/// A record as it stands in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub key: Option<String>,
    pub payload: Vec<u8>,
    pub headers: BTreeMap<String, String>,
}

impl Site {
    /// Starts both; `change` sets what differs from the defaults.
    pub fn start(change: impl FnOnce(&mut Config)) -> Self {
        let topics = Topics::default();
        let broker = Broker::start(&topics, PARTITIONS).unwrap();
        let mut config = Config::default();
        config.kafka.bootstrap = broker.bootstrap().to_owned();
        config.gateway.mllp.listen = "127.0.0.1:0".to_owned();
        config.gateway.fhir.listen = "127.0.0.1:0".to_owned();
        change(&mut config);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let metrics = Metrics::new();
        let clock = Arc::new(SystemClock::default());
        let gateway = runtime.block_on(Gateway::start(&config, clock, metrics.registry())).unwrap();
        Self { gateway, metrics, runtime, topics, broker }
    }

    pub fn mllp(&self) -> SocketAddr {
        self.gateway.mllp.unwrap()
    }

    pub fn fhir(&self) -> SocketAddr {
        self.gateway.fhir.unwrap()
    }

    /// Everything in a topic now.
    pub fn stored(&self, topic: &str) -> Vec<Stored> {
        stored(self.broker.bootstrap(), topic)
    }

    /// The value of a metric, given as it is written: `name{label="value"}`.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.text();
        let line = text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or(" 0");
        line.trim().parse().unwrap()
    }

    /// Waits until a metric has a value: for what is counted beside an answer.
    pub fn until(&self, name: &str, value: u64) {
        self.runtime.block_on(async {
            for _ in 0..WAIT.as_millis() / 10 {
                if self.metric(name) == value {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            panic!("{name} is {} and not {value}\n{}", self.metric(name), self.metrics.text());
        });
    }

    pub fn stop(self) {
        self.runtime.block_on(self.gateway.stop());
    }
}

/// Everything in a topic now.
pub fn stored(bootstrap: &str, topic: &str) -> Vec<Stored> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "test")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let (mut records, mut ended) = (Vec::new(), 0);
    while ended < PARTITIONS {
        match consumer.poll(WAIT).expect("the broker answers") {
            Err(KafkaError::PartitionEOF(_)) => ended += 1,
            Err(error) => panic!("{error}"),
            Ok(message) => records.push(Stored {
                key: message.key().map(|k| String::from_utf8(k.to_vec()).unwrap()),
                payload: message.payload().unwrap_or_default().to_vec(),
                headers: message.headers().map_or_else(BTreeMap::new, |headers| {
                    let text = |v: Option<&[u8]>| String::from_utf8(v.unwrap_or_default().to_vec()).unwrap();
                    headers.iter().map(|h| (h.key.to_owned(), text(h.value))).collect()
                }),
            }),
        }
    }
    records
}

/// An MLLP sender of the plainest kind.
pub struct Sender {
    pub socket: TcpStream,
    read: Vec<u8>,
}

impl Sender {
    pub fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(WAIT)).unwrap();
        Self { socket, read: Vec::new() }
    }

    pub fn send(&mut self, message: &str) {
        self.socket.write_all(&framed(message)).unwrap();
    }

    /// The next answer; `None` when the other side has closed.
    pub fn answer(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|w| w == b"\x1c\r") {
                let frame: Vec<u8> = self.read.drain(..end + 2).collect();
                assert_eq!(frame[0], 0x0b);
                return Some(String::from_utf8(frame[1..end].to_vec()).unwrap());
            }
            let mut chunk = [0; 4096];
            match self.socket.read(&mut chunk) {
                Ok(0) => return None,
                Ok(n) => self.read.extend_from_slice(&chunk[..n]),
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    /// Sends and gives the answer's code, echoed id and everything after its MSA segment.
    pub fn ask(&mut self, message: &str) -> (String, String, String) {
        self.send(message);
        told(&self.answer().expect("an answer"))
    }
}

pub fn framed(message: &str) -> Vec<u8> {
    [b"\x0b", message.as_bytes(), b"\x1c\r"].concat()
}

/// An answer's code, echoed id and everything after its MSA segment.
pub fn told(answer: &str) -> (String, String, String) {
    let (_, msa) = answer.split_once("\rMSA|").unwrap();
    let (line, rest) = msa.split_once('\r').unwrap();
    let mut fields = line.split('|').map(str::to_owned);
    (fields.next().unwrap(), fields.next().unwrap_or_default(), rest.to_owned())
}

/// One heart rate, an hour old.
pub fn oru(id: &str, patient: &str, value: &str) -> String {
    let time = hour_ago();
    format!(
        "MSH|^~\\&|MON|ICU|BW|H|{time}||ORU^R01^ORU_R01|{id}|P|2.6\rPID|||{patient}^^^H||Doe^J\rPV1||I|ICU^^1\r\
         OBR|1|||vitals|||{time}\rOBX|1|NM|8867-4^HR^LN||{value}|/min|||||F|||{time}"
    )
}

/// `YYYYMMDDHHMMSS`, UTC, the same for the whole run.
pub fn hour_ago() -> &'static str {
    static TIME: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    TIME.get_or_init(|| {
        let now = bedwatch::clock::Clock::now(&SystemClock::default());
        let then = now.as_event_time() - bedwatch_schemas::time::Span::hours(1);
        then.to_string().chars().filter(char::is_ascii_digit).take(14).collect()
    })
}
