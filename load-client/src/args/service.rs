//! The flags for the requests and for the conventions of the service. They become a scenario, and additions to the
//! transport's settings.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;

use crate::args::Misuse;
use crate::load::Share;
use crate::scenario::{
    Body, BodyCheck, BodyChecks, Feeder, FeederOrder, Format, Kind, LoadTable, Mix, Records,
    Request, StatusSet, Template, by_name, parse_name, parse_tag, read_scenario,
};
use crate::transport::kafka::{KafkaSettings, OWN_REPLY_TOPIC_INFIX};
use crate::transport::wire::{IdFormat, IdPlace, PartitionHeader, Wire};

const WORKLOAD: &str = "Workload";
const SERVICE: &str = "Conventions of the service";

#[derive(Debug, Args)]
pub(crate) struct ServiceArguments {
    /// Read kinds of request and their weights from this TOML file
    ///
    /// Each [[request]] table may have the keys name, weight, tags, topic, reply_topic, body | body_file | body_lines,
    /// template, feeder, feeder_order, format, key, headers, expect_status, expect_body.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["body", "body_lines", "key", "template"], help_heading = WORKLOAD)]
    pub(super) scenario: Option<PathBuf>,
    /// Send only the kinds of the scenario that have one of these tags, comma separated
    #[arg(short = 'T', long, value_parser = parse_tag, value_delimiter = ',', value_name = "TAGS", requires = "scenario", help_heading = WORKLOAD)]
    tags: Vec<String>,
    /// Leave out the kinds of the scenario that have one of these tags, comma separated
    #[arg(short = 'E', long, value_parser = parse_tag, value_delimiter = ',', value_name = "TAGS", requires = "scenario", help_heading = WORKLOAD)]
    exclude_tags: Vec<String>,
    /// Name of the requests in the results; `compare` needs equal names [default: the topic]
    #[arg(long, value_parser = parse_name, value_name = "NAME", conflicts_with = "scenario", help_heading = WORKLOAD)]
    name: Option<String>,
    /// Read bodies from this file, one per line, or kcat's JSON records
    ///
    /// They are sent in order. After the last line, the first one follows again. `kcat -C -J` writes such records,
    /// which also have a key and headers.
    #[arg(long, value_name = "FILE", conflicts_with = "body", help_heading = WORKLOAD)]
    pub(super) body_lines: Option<PathBuf>,
    /// Format of --body-lines: lines or kcat-json [default: guessed from its first line]
    #[arg(long, value_parser = by_name::<Format>, value_name = "FORMAT", requires = "body_lines", help_heading = WORKLOAD)]
    body_lines_format: Option<Format>,
    /// Key of each request; placeholders such as {uuid} are filled in [default: no key]
    ///
    /// Placeholders are {uuid}, {request_id}, {counter}, {random:1:100}, {user}, {now}, {timestamp_ms} and
    /// {csv.COLUMN}. {{uuid}} stands for the text {uuid} itself.
    #[arg(long, value_name = "TEMPLATE", help_heading = WORKLOAD)]
    key: Option<String>,
    /// Fill in the placeholders in --body and --header too [default: only in --key]
    #[arg(long, help_heading = WORKLOAD)]
    template: bool,
    /// Fill in {csv.COLUMN} from this CSV file; each request takes one row
    ///
    /// It works in --key, and with --template in --body and --header.
    #[arg(long, value_name = "FILE", conflicts_with = "scenario", help_heading = WORKLOAD)]
    pub(super) feeder: Option<PathBuf>,
    /// Order of the rows of --feeder: sequential, random or once [default: sequential]
    ///
    /// sequential begins again after the last row, random draws by --seed, once ends the run after the last row.
    #[arg(long, value_parser = by_name::<FeederOrder>, value_name = "ORDER", requires = "feeder", help_heading = WORKLOAD)]
    feeder_order: Option<FeederOrder>,
    /// Statuses of good replies: 200, 2xx, 200-204 or several, comma separated [default: 2xx]
    #[arg(long, value_name = "STATUS", help_heading = SERVICE)]
    expect_status: Option<StatusSet>,
    /// Check that must hold for the bodies of good replies; repeatable
    ///
    /// text:TEXT (the body contains the text), regex:PATTERN (it matches), json:/POINTER=VALUE (it has this value
    /// there) or json:/POINTER (it has any value there).
    #[arg(long, value_delimiter = '\n', value_name = "CHECK", conflicts_with = "publish_only", help_heading = SERVICE)]
    expect_body: Vec<BodyCheck>,
    /// Conventions of a framework: reference, spring, smallrye, nest, faststream or zilla
    ///
    /// The flags below change single conventions of it.
    #[arg(long, value_parser = Wire::of_profile, default_value = "reference", help_heading = SERVICE)]
    profile: Wire,
    /// Request header with the name of the reply topic [default: by --profile]
    #[arg(long, value_parser = header_name, value_name = "NAME", help_heading = SERVICE)]
    reply_to_header: Option<String>,
    /// Where requests carry their correlation id [default: by --profile]
    ///
    /// header:NAME, key, payload:/JSON/POINTER or echo:NAME. echo asks the service, by the header x-reply-set-header,
    /// to set the header NAME on the reply.
    #[arg(long, value_name = "PLACE", help_heading = SERVICE)]
    correlation: Option<IdPlace>,
    /// Where replies carry the correlation id: header:NAME, key or payload:/JSON/POINTER [default: same place]
    #[arg(long, value_parser = IdPlace::of_reply, value_name = "PLACE", help_heading = SERVICE)]
    reply_correlation: Option<IdPlace>,
    /// Format of the correlation id: uuid, uuid-bytes (16 bytes) or hex [default: by --profile]
    #[arg(long, value_parser = by_name::<IdFormat>, value_name = "FORMAT", help_heading = SERVICE)]
    correlation_format: Option<IdFormat>,
    /// Reply header with the status, or none [default: by --profile]
    ///
    /// With none, a reply is good if it has no error header.
    #[arg(long, value_parser = header_name, value_name = "NAME|none", help_heading = SERVICE)]
    status_header: Option<String>,
    /// Reply header whose presence means a failure; repeatable
    #[arg(long, value_parser = header_name, value_delimiter = '\n', value_name = "NAME", help_heading = SERVICE)]
    error_header: Vec<String>,
    /// Ask for replies on this partition, and read no other [default: read all]
    #[arg(long, value_parser = clap::value_parser!(i32).range(0..), value_name = "NUMBER", help_heading = SERVICE)]
    reply_partition: Option<i32>,
    /// Request header with the partition of the reply: bytes:NAME (4 bytes) or text:NAME
    #[arg(long, value_name = "ENCODING:NAME", help_heading = SERVICE)]
    reply_partition_header: Option<PartitionHeader>,
    /// Create a reply topic for this run, and delete it at the end
    ///
    /// Its name is <topic>.reply.load-client-<run id>. Without PARTITIONS it has one partition.
    #[arg(long, num_args = 0..=1, default_missing_value = "1", value_parser = clap::value_parser!(i32).range(1..=10_000), value_name = "PARTITIONS", conflicts_with_all = ["reply_topic", "publish_only"], help_heading = SERVICE)]
    own_reply_topic: Option<i32>,
}

fn header_name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.contains('\0') {
        return Err("takes a header name".to_owned());
    }
    Ok(text.to_owned())
}

impl ServiceArguments {
    /// Returns the scenario, and its loads if it has any. Adds the topics and conventions to the settings.
    pub(crate) fn apply(
        &self,
        settings: &mut KafkaSettings,
        (seed, share): (u64, Share),
    ) -> Result<(Mix, Vec<LoadTable>), Misuse> {
        let wire = self.wire()?;
        refuse_own_headers(&wire, &settings.headers).map_err(Misuse::of("--header"))?;
        let (mix, loads) = self.mix(settings, (seed, share))?;
        for (kind, sample) in mix.parts().iter().zip(mix.samples()) {
            self.check(&wire, kind, &sample)?;
        }
        let service = &mut settings.service;
        service.wire = wire;
        let kinds = mix.parts().iter().map(|kind| &kind.common);
        let (topics, reply_topics): (Vec<_>, Vec<_>) = kinds
            .map(|common| (common.topic.as_deref(), common.reply_topic.as_deref()))
            .unzip();
        service.more_topics = topics.into_iter().flatten().map(str::to_owned).collect();
        let reply_topics = reply_topics.into_iter().flatten();
        service.more_reply_topics = reply_topics.map(str::to_owned).collect();
        if let Some(partitions) = self.own_reply_topic {
            service.own_reply_topic = Some(partitions);
            let (topic, run) = (&settings.topic, &settings.run_id);
            settings.reply_topic = format!("{topic}{OWN_REPLY_TOPIC_INFIX}{run}");
        }
        Ok((mix, loads))
    }

    /// Refuses, before the run, a setting that would fail every request of a kind.
    fn check(&self, wire: &Wire, kind: &Kind, sample: &Request) -> Result<(), Misuse> {
        let refused = |flag: &str, reason: String| match &self.scenario {
            Some(_) => Misuse(format!("--scenario: request {}: {reason}", kind.name)),
            None => Misuse(format!("{flag}: {reason}")),
        };
        if kind.key.is_some() && wire.correlation == IdPlace::Key {
            let reason = "--correlation puts the id into the key; leave one of the two out";
            return Err(refused("--key", reason.to_owned()));
        }
        refuse_own_headers(wire, &kind.headers).map_err(|reason| refused("--header", reason))?;
        let outgoing = wire.outgoing(sample).map(drop);
        outgoing.map_err(|reason| refused("--correlation", reason))
    }

    fn wire(&self) -> Result<Wire, Misuse> {
        let profile = self.profile.clone();
        let status_header = match self.status_header.as_deref() {
            None => profile.status_header,
            Some("none") => None,
            Some(name) => Some(name.to_owned()),
        };
        if self.expect_status.is_some() && status_header.is_none() {
            let reason = "replies have no status here; name its header with --status-header";
            return Err(Misuse(format!("--expect-status: {reason}")));
        }
        let reply_to_header = self.reply_to_header.clone();
        let correlation = self.correlation.clone();
        let format = self.correlation_format;
        let partition_header = self.reply_partition_header.clone();
        let wire = Wire {
            reply_to_header: reply_to_header.unwrap_or(profile.reply_to_header),
            correlation: correlation.unwrap_or(profile.correlation),
            reply_correlation: self.reply_correlation.clone(),
            correlation_format: format.unwrap_or(profile.correlation_format),
            reply_partition_header: partition_header.or(profile.reply_partition_header),
            reply_partition: self.reply_partition,
            status_header,
            expect_status: self.expect_status.clone().unwrap_or_default(),
            expect_body: BodyChecks(self.expect_body.clone()),
            error_headers: [&*profile.error_headers, &self.error_header].concat(),
        };
        wire.validated().map_err(Misuse)
    }

    fn mix(
        &self,
        settings: &mut KafkaSettings,
        (seed, share): (u64, Share),
    ) -> Result<(Mix, Vec<LoadTable>), Misuse> {
        let Some(path) = &self.scenario else {
            let kind = self.only_kind(settings)?;
            let mix = Mix::try_new(vec![kind], seed, share).map_err(Misuse)?;
            return Ok((mix, Vec::new()));
        };
        // The scenario has its own bodies, so reports must not show the size of this one.
        settings.body = Bytes::new();
        let read = read_scenario(path).map_err(Misuse::of("--scenario"))?;
        let (kinds, mut loads) = (self.chosen(read.kinds)?, read.loads);
        for load in &mut loads {
            load.kinds
                .retain(|name| kinds.iter().any(|kind| &kind.name == name));
        }
        loads.retain(|load| !load.kinds.is_empty());
        let mut mix = Mix::try_new(kinds, seed, share).map_err(Misuse)?;
        mix.files = read.others;
        Ok((mix, loads))
    }

    /// Returns the kinds that the tags leave.
    fn chosen(&self, mut kinds: Vec<Kind>) -> Result<Vec<Kind>, Misuse> {
        let known: BTreeSet<String> = kinds.iter().flat_map(|kind| kind.tags.clone()).collect();
        for (flag, tags) in [
            ("--tags", &self.tags),
            ("--exclude-tags", &self.exclude_tags),
        ] {
            if let Some(unknown) = tags.iter().find(|tag| !known.contains(*tag)) {
                let known = match known.is_empty() {
                    true => "its requests have no tags".to_owned(),
                    false => format!("it has {}", Vec::from_iter(known).join(", ")),
                };
                let reason = format!("the scenario has no such tag; {known}");
                return Err(Misuse(format!("{flag} {unknown}: {reason}")));
            }
        }
        let has = |kind: &Kind, tags: &[String]| kind.tags.iter().any(|tag| tags.contains(tag));
        kinds.retain(|kind| self.tags.is_empty() || has(kind, &self.tags));
        kinds.retain(|kind| !has(kind, &self.exclude_tags));
        if kinds.is_empty() {
            let reason = "leave no request of the scenario; change one of them";
            return Err(Misuse(format!("--tags and --exclude-tags {reason}")));
        }
        Ok(kinds)
    }

    fn only_kind(&self, settings: &mut KafkaSettings) -> Result<Kind, Misuse> {
        let order = self.feeder_order.unwrap_or_default();
        let feeder = self.feeder.as_deref().map(|path| Feeder::read(path, order));
        let feeder = feeder.transpose().map_err(Misuse::of("--feeder"))?;
        let columns = feeder.as_ref().map_or(&[][..], Feeder::columns);
        let compile =
            |flag, text: &[u8]| Template::compile(text, columns).map_err(Misuse::of(flag));
        let body = match &self.body_lines {
            Some(path) => {
                settings.body = Bytes::new();
                let records = Records::read(path, self.body_lines_format);
                Body::Records(records.map_err(Misuse::of("--body-lines"))?)
            }
            None if self.template => Body::Template(compile("--body", &settings.body)?),
            None => Body::Template(Template::verbatim(settings.body.clone())),
        };
        let mut headers = Vec::new();
        if self.template {
            for (name, value) in std::mem::take(&mut settings.headers) {
                headers.push((name, compile("--header", value.as_bytes())?));
            }
        }
        let key = self.key.as_deref();
        let key = key.map(|key| compile("--key", key.as_bytes()));
        let name = self.name.as_ref().unwrap_or(&settings.topic);
        Ok(Kind {
            key: key.transpose()?,
            headers,
            feeder,
            ..Kind::new(name.clone(), body)
        })
    }
}

fn refuse_own_headers<T>(wire: &Wire, headers: &[(String, T)]) -> Result<(), String> {
    let mut own = headers.iter().filter_map(|(name, _)| wire.own_header(name));
    own.next().map_or(Ok(()), |(own, flag)| {
        Err(format!(
            "cannot set {own}, which the run sets itself; use {flag}"
        ))
    })
}
