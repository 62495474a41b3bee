//! Turns the flags of `run` and their files into a plan for workers, and a plan back into a command line. The writer of
//! a plan decides what is sent. It must not decide which files a worker reads or writes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches};
use flags_and_variables::{name_of, wrong_use};
use kafka_cluster_url::is_secret;

use crate::args::{Cli, Command, Misuse, RunArguments};
use crate::distributed::{LoadNote, PlanFlag};
use crate::load::Share;
use crate::scenario::named_files;

/// Ids of the flags that describe the load. All others are for the coordinator alone.
const HANDED_ON: &str = "users spawn_rate run_time topic reply_topic body header timeout publish_only warm_up \
    properties rate arrivals max_in_flight think_time pace seed shape preset scenario tags exclude_tags name \
    body_lines body_lines_format key template feeder feeder_order expect_status expect_body profile reply_to_header \
    correlation reply_correlation correlation_format status_header error_header reply_partition \
    reply_partition_header own_reply_topic";
/// Flags whose value is always a file.
const FILES: [&str; 4] = ["shape", "scenario", "body_lines", "feeder"];
/// Characters of base64, which turns three bytes into four. By Kafka's default a record has at most 1 MB.
const MOST_BYTES: usize = 700_000;

/// Prefixes of librdkafka properties that each client sets for itself: addresses, credentials, and libraries or
/// commands to load or run.
const OWN_PROPERTIES: [&str; 8] = [
    "security.",
    "sasl.",
    "ssl.",
    "enable.s",
    "https.",
    "plugin.",
    "bootstrap.servers",
    "metadata.broker.list",
];

/// Returns whether a property, in the form of `-X`, must not be in a plan.
fn is_own(pair: &str) -> bool {
    let key = pair.split_once('=').map_or(pair, |(key, _)| key);
    let reaches = [".location", ".path", ".file", ".cmd"];
    is_secret(key)
        || OWN_PROPERTIES.iter().any(|own| key.starts_with(own))
        || reaches.iter().any(|own| key.contains(own))
}

fn is_handed_on(flag: &Arg) -> bool {
    HANDED_ON.split(' ').any(|own| flag.get_id() == own)
}

/// Returns the flags of a command line of `run` that belong into a plan.
pub(super) fn flags(run: &RunArguments, matches: &ArgMatches) -> Vec<PlanFlag> {
    let command = Cli::command();
    let command = command.find_subcommand("run");
    let all = command.into_iter().flat_map(clap::Command::get_arguments);
    let given = all.filter(|flag| {
        let source = matches.value_source(flag.get_id().as_str());
        is_handed_on(flag) && source == Some(ValueSource::CommandLine)
    });
    given.flat_map(|flag| values(run, matches, flag)).collect()
}

fn values(run: &RunArguments, matches: &ArgMatches, flag: &Arg) -> Vec<PlanFlag> {
    let id = flag.get_id().as_str();
    let is_file = FILES.contains(&id) || (id == "body" && run.body.file.is_some());
    let own = |value| PlanFlag {
        name: name_of(flag).unwrap_or_default(),
        value,
        is_file,
    };
    if !flag.get_action().takes_values() {
        return vec![own(None)];
    }
    let raw = matches.get_raw(id).into_iter().flatten();
    let texts = raw.map(|text| text.to_string_lossy().into_owned());
    let of_plan = texts.filter(|text| id != "properties" || !is_own(text));
    of_plan.map(|text| own(Some(text))).collect()
}

/// Returns the load of a command line, with the files that its flags name. `scenario` are the files that a scenario
/// names. Fails when a file cannot be handed on.
pub(crate) fn planned(run: &RunArguments, scenario: &[PathBuf]) -> Result<LoadNote, Misuse> {
    let mut note = LoadNote {
        brokers: run.host.brokers.clone(),
        flags: run.handed_on.clone(),
        files: BTreeMap::new(),
        interval_seconds: run.several.live_interval,
    };
    for flag in note.flags.iter_mut().filter(|flag| flag.is_file) {
        let Some(path) = flag.value.as_mut() else {
            continue;
        };
        let file = PathBuf::from(&*path);
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("file");
        *path = format!("{}/{name}", flag.name);
        note.files
            .insert(path.clone(), packed(&format!("--{}", flag.name), &file)?);
    }
    refuse_absolute(run)?;
    let folder = run.service.scenario.as_deref().and_then(Path::parent);
    for file in scenario {
        let folder = folder.unwrap_or(Path::new(""));
        let own = file.strip_prefix(folder).ok().and_then(within);
        let own = own.as_deref().and_then(Path::to_str).ok_or_else(|| {
            Misuse(format!(
                "--workers: {} is not below the folder of --scenario, so workers cannot get it; move it there",
                file.display()
            ))
        })?;
        note.files
            .insert(format!("scenario/{own}"), packed("--scenario", file)?);
    }
    let bytes: usize = note.files.values().map(String::len).sum();
    if bytes > MOST_BYTES {
        return Err(Misuse(format!(
            "--workers: the files of the load take {} KB, and a plan has room for {} KB; send fewer lines, or start \
             each client by hand with --segment and --hdr",
            bytes * 3 / 4000,
            MOST_BYTES * 3 / 4000
        )));
    }
    Ok(note)
}

/// Refuses absolute paths in a scenario. Its text is handed on unchanged, and workers do not have these paths.
fn refuse_absolute(run: &RunArguments) -> Result<(), Misuse> {
    let text = run.service.scenario.as_deref().map(std::fs::read_to_string);
    let text = text.transpose().map_err(Misuse::of("--scenario"))?;
    let named = text.map(|text| named_files(&text)).unwrap_or_default();
    match named.iter().find(|file| file.is_absolute()) {
        None => Ok(()),
        Some(file) => Err(Misuse(format!(
            "--workers: --scenario names the absolute path {}, which workers do not have; use one from its folder",
            file.display()
        ))),
    }
}

fn packed(flag: &str, file: &Path) -> Result<String, Misuse> {
    let read = std::fs::read(file);
    let read = read.map_err(|error| Misuse(format!("{flag} {}: {error}", file.display())))?;
    Ok(BASE64_STANDARD.encode(read))
}

/// Returns a path without `./`, or `None` if it could leave its folder.
fn within(path: &Path) -> Option<PathBuf> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    let plain: PathBuf = parts.clone().collect();
    let mut parts = parts.peekable();
    let is_within =
        parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)));
    is_within.then_some(plain)
}

/// Returns the command line of a worker that sends this share: the plan's flags, with their files in this folder. Fails
/// when the plan asks for something that a coordinator never writes.
pub(crate) fn unpacked(
    load: &LoadNote,
    share: Option<Share>,
    folder: &Path,
) -> Result<RunArguments, String> {
    for (path, content) in &load.files {
        if within(Path::new(path)).is_none() {
            return Err(format!(
                "the plan has a file {path:?}, which leaves its folder"
            ));
        }
        let content = BASE64_STANDARD.decode(content);
        let content = content.map_err(|error| format!("the plan's file {path}: {error}"))?;
        let file = folder.join(path);
        let parent = file.parent().unwrap_or(folder);
        let written = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&file, content));
        written.map_err(|error| format!("the plan's file {path} cannot be written: {error}"))?;
    }
    let mut arguments: Vec<OsString> = ["load-client", "run", "--headless"]
        .map(OsString::from)
        .into();
    arguments.push(format!("--host=kafka://{}", load.brokers).into());
    for flag in &load.flags {
        arguments.push(typed(flag, load, folder)?);
    }
    if let Some(share) = share.filter(|share| !share.is_whole()) {
        arguments.push(format!("--segment={share}").into());
    }
    let read = Cli::command().try_get_matches_from(arguments);
    let read = read.and_then(|matches| Cli::from_arg_matches(&matches));
    match read.map_err(|error| wrong_use(&error))?.command {
        Command::Run(run) => own_files_only(*run, load, folder),
        _ => Err("the plan is not for a run".to_owned()),
    }
}

/// Returns a flag as it would be typed.
fn typed(flag: &PlanFlag, load: &LoadNote, folder: &Path) -> Result<OsString, String> {
    let name = &flag.name;
    let command = Cli::command();
    let run = command.find_subcommand("run");
    let mut all = run.into_iter().flat_map(clap::Command::get_arguments);
    let known = all.find(|own| is_handed_on(own) && name_of(own).as_ref() == Some(name));
    let known = known.ok_or_else(|| format!("the plan has --{name}, which workers do not take"))?;
    let id = known.get_id().as_str();
    let dashes = if name.chars().count() == 1 { "-" } else { "--" };
    let (Some(value), true) = (&flag.value, known.get_action().takes_values()) else {
        return Ok(format!("{dashes}{name}").into());
    };
    let needs_file = FILES.contains(&id);
    if needs_file || flag.is_file {
        if !load.files.contains_key(value) || !(needs_file || id == "body") {
            return Err(format!(
                "the plan's --{name} names a file that the plan lacks"
            ));
        }
        let mut typed = OsString::from(format!("--{name}="));
        typed.push(folder.join(value));
        return Ok(typed);
    }
    if id == "properties" && is_own(value) {
        return Err(format!(
            "the plan has -X {value:?}, which each worker sets for itself"
        ));
    }
    if id == "body" && serde_json::from_str::<serde::de::IgnoredAny>(value).is_err() {
        return Err("the plan's --body is not JSON".to_owned());
    }
    Ok(format!("{dashes}{name}={value}").into())
}

/// Refuses a scenario that names files which are not in the plan.
fn own_files_only(
    run: RunArguments,
    load: &LoadNote,
    folder: &Path,
) -> Result<RunArguments, String> {
    let Some(path) = &run.service.scenario else {
        return Ok(run);
    };
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let base = path.parent().unwrap_or(folder);
    for named in named_files(&text) {
        let file = within(&named).map(|own| base.join(own));
        let file = file
            .as_deref()
            .and_then(|own| own.strip_prefix(folder).ok()?.to_str());
        if !file.is_some_and(|own| load.files.contains_key(own)) {
            return Err(format!(
                "the plan's scenario names {named:?}, which the plan lacks"
            ));
        }
    }
    Ok(run)
}

#[cfg(test)]
mod tests;
