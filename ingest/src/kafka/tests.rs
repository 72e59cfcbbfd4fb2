//! The shell against the embedded broker: the same client code as against a hospital's.

use std::{collections::BTreeMap, time::Duration};

use bedwatch_schemas::{
    dead_letter::{DeadLetter, Place, Reason, Rejection},
    event::Stream,
    time::{ArrivalTime, EventTime},
};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers as _,
};

use super::{
    Topics,
    embedded::Broker,
    headers::{CloudEvent, Headers},
    sink::{self, Sink},
    source::{Config, Item, Mode, OwnedRecord, Source},
};

const WAIT: Duration = Duration::from_secs(20);

fn sink(broker: &Broker, topics: &Topics) -> Sink {
    let config = sink::Config {
        bootstrap: broker.bootstrap().into(),
        topics: topics.clone(),
        properties: crate::kafka::Properties::default(),
    };
    Sink::connect(&config).unwrap()
}

/// Reads until every partition has come to its end; gaps are returned beside the records.
fn read_all(source: &Source, partitions: usize) -> (Vec<OwnedRecord>, Vec<(i64, i64)>) {
    let (mut records, mut gaps, mut ended) = (Vec::new(), Vec::new(), std::collections::BTreeSet::new());
    while ended.len() < partitions {
        match source.recv(WAIT).expect("the broker answers") {
            Item::Record(record) => {
                ended.remove(&(record.stream, record.partition));
                records.push(record);
            }
            Item::Eof { stream, partition } => {
                ended.insert((stream, partition));
            }
            Item::Gap { expected, got, .. } => gaps.push((expected, got)),
            Item::Mark { stream, partition, at } => {
                ended.remove(&(stream, partition));
                let last = records.iter().rev().find(|r| (r.stream, r.partition) == (stream, partition));
                assert!(last.is_none_or(|r| r.timestamp <= Some(at)), "a mark stands behind what it marks");
            }
            Item::Assigned(_) | Item::Revoked(_) => {}
            Item::Error(error) => panic!("{error}"),
        }
    }
    (records, gaps)
}

#[test]
fn a_mark_stands_in_every_partition_and_is_no_record() {
    let topics = Topics::default();
    let broker = Broker::start(&topics, 2).unwrap();
    let sink = sink(&broker, &topics);
    sink.send(&topics.vitals, Some("p"), b"x", Headers::new(), Some(900)).unwrap();
    sink.send(&topics.vitals, Some("p"), b"", Headers::new(), Some(950)).unwrap(); // empty, but a patient's: a record
    sink.mark(1_000).unwrap();
    sink.flush(WAIT).unwrap();
    let source = Source::start(&Config::new(broker.bootstrap(), &topics)).unwrap();
    let (mut marks, mut records) = (Vec::new(), 0);
    while marks.len() < 12 {
        match source.recv(WAIT).expect("the broker answers") {
            Item::Mark { stream, partition, at } => marks.push((stream, partition, at.as_millis())),
            Item::Record(_) => records += 1,
            Item::Eof { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    marks.sort_unstable();
    let every = Stream::ALL.into_iter().flat_map(|s| [(s, 0, 1_000), (s, 1, 1_000)]);
    assert_eq!(marks, every.collect::<Vec<_>>());
    assert_eq!(records, 2);
}

#[test]
fn six_topics_are_read_back_in_order_and_again_from_given_offsets() {
    let topics = Topics::default();
    let broker = Broker::start(&topics, 2).unwrap();
    let sink = sink(&broker, &topics);
    for i in 0..40_i64 {
        for stream in Stream::ALL {
            let (key, payload) = (format!("p{}", i % 7), format!("{}:{i}", stream.name()));
            sink.send(topics.input(stream), Some(&key), payload.as_bytes(), Headers::new(), Some(1_000 + i))
                .unwrap();
        }
    }
    let counts = sink.flush(WAIT).unwrap();
    assert_eq!((counts.sent, counts.delivered, counts.failed), (240, 240, 0));

    let mut config = Config::new(broker.bootstrap(), &topics);
    config.capacity = 8; // smaller than what waits: the reader must pause, and lose nothing
    let source = Source::start(&config).unwrap();
    let (records, gaps) = read_all(&source, 12);
    source.shutdown();
    assert_eq!((records.len(), gaps.len()), (240, 0));
    let mut next = BTreeMap::new();
    let mut partition_of = BTreeMap::new();
    for r in &records {
        let expected: &mut i64 = next.entry((r.stream, r.partition)).or_default();
        assert_eq!(r.offset, *expected);
        *expected += 1;
        let text = std::str::from_utf8(&r.payload).unwrap();
        let number: i64 = text.strip_prefix(r.stream.name()).unwrap()[1..].parse().unwrap();
        assert_eq!(r.timestamp, Some(ArrivalTime::from_millis(1_000 + number)));
        let key = r.key.clone().unwrap();
        assert_eq!(key, format!("p{}", number % 7));
        // Co-partitioned: a patient has one partition number over all topics.
        assert_eq!(*partition_of.entry(key).or_insert(r.partition), r.partition);
    }
    assert_eq!(next.len(), 12, "both partitions of every topic are used");

    // A restart from a checkpoint: the last three of each partition.
    config.offsets = next.iter().map(|(k, n)| (*k, n - 3)).collect();
    let again = Source::start(&config).unwrap();
    let (rest, gaps) = read_all(&again, 12);
    assert_eq!((rest.len(), gaps.len()), (36, 0));
    assert!(rest.iter().all(|r| r.offset >= next[&(r.stream, r.partition)] - 3));
    again.commit(&next).unwrap();
}

#[test]
fn records_that_the_broker_dropped_show_as_a_gap() {
    let topics = Topics::with_prefix("gap");
    let broker = Broker::start(&topics, 1).unwrap();
    let sink = sink(&broker, &topics);
    let block = vec![7_u8; 700_000];
    for _ in 0..12 {
        sink.send(&topics.waveforms, None, &block, Headers::new(), None).unwrap();
        sink.flush(WAIT).unwrap(); // one batch each
    }
    let mut config = Config::new(broker.bootstrap(), &topics);
    config.mode = Mode::These(vec![(Stream::Waveforms, 0)]);
    config.offsets = BTreeMap::from([((Stream::Waveforms, 0), 1)]);
    let source = Source::start(&config).unwrap();
    let (records, gaps) = read_all(&source, 1);
    let first = records.first().unwrap();
    assert!(first.offset > 1 && first.key.is_none(), "12 x 0.7 MB do not fit into 5 MiB");
    assert_eq!(gaps, [(1, first.offset)]);
    assert_eq!(records.last().unwrap().offset, 11);
}

#[test]
fn a_dead_letter_carries_the_bytes_and_the_place() {
    let topics = Topics::default();
    let broker = Broker::start(&topics, 1).unwrap();
    let sink = sink(&broker, &topics);
    let record = OwnedRecord {
        stream: Stream::Fhir,
        partition: 3,
        offset: 41,
        timestamp: Some(ArrivalTime::from_millis(5)),
        key: Some("canary-4711".into()),
        payload: b"{\"not json\xff".to_vec(),
    };
    let letter = DeadLetter {
        stream: Stream::Fhir,
        partition: 3,
        offset: 41,
        rejections: vec![Rejection::new(Reason::Encoding, Place::at(10, "Bundle.entry[2]"))],
        partly_decoded: true,
    };
    sink.dead_letter(&record, &letter).unwrap();
    sink.flush(WAIT).unwrap();

    let reader: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", "reader")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topics.dead_letter, 0, Offset::Beginning).unwrap();
    reader.assign(&list).unwrap();
    let message = reader.poll(WAIT).expect("a message").unwrap();
    assert_eq!(message.payload(), Some(record.payload.as_slice()));
    assert_eq!(message.key(), Some("canary-4711".as_bytes()));
    let headers: BTreeMap<String, String> = message
        .headers()
        .unwrap()
        .iter()
        .map(|h| (h.key.to_owned(), String::from_utf8(h.value.unwrap().to_vec()).unwrap()))
        .collect();
    let get = |k: &str| headers[k].as_str();
    assert_eq!(
        [get("bedwatch_topic"), get("bedwatch_stream"), get("bedwatch_partition"), get("bedwatch_offset")],
        ["bedwatch.fhir", "fhir", "3", "41"]
    );
    assert_eq!([get("bedwatch_reason"), get("bedwatch_byte")], ["encoding", "10"]);
    let back: Vec<Rejection> = serde_json::from_str(get("bedwatch_rejections")).unwrap();
    assert_eq!(back, letter.rejections);
    assert!(headers.values().all(|v| !v.contains("4711")));
    assert!(!format!("{record:?}").contains("4711"));
}

#[test]
fn a_cloud_event_has_its_attributes() {
    let headers = Headers::cloud_event(&CloudEvent {
        id: "a1",
        kind: "org.bedwatch.alert.v1",
        source: "/bedwatch",
        time: Some(EventTime::from_millis(0)),
        content_type: "application/json",
    });
    for (key, value) in [
        ("ce_specversion", "1.0"),
        ("ce_id", "a1"),
        ("ce_type", "org.bedwatch.alert.v1"),
        ("ce_source", "/bedwatch"),
        ("ce_time", "1970-01-01T00:00:00Z"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(headers.get(key), Some(value.as_bytes()), "{key}");
    }
}

#[test]
fn one_name_for_two_topics_is_refused() {
    let mut topics = Topics::default();
    assert!(topics.check().is_ok());
    assert_eq!(topics.stream_of("bedwatch.cgm"), Some(Stream::Cgm));
    assert_eq!(topics.stream_of("bedwatch.alerts"), None);
    topics.alerts = topics.cgm.clone();
    assert!(topics.check().unwrap_err().to_string().contains("bedwatch.cgm"));
}
