//! `pleach data`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::arguments::{self, DataCommand};
use super::{Failure, output};
use crate::data::{self, DataSet, Decoding, ExifOrientation, Normalization, Origin, Progress, Server, Source};
use crate::error::{Error, Kind, Result};
use crate::manifest::nearest;
use crate::manifest::printable;
use crate::report::{bytes, count};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Lists, checks or downloads data sets.
pub fn data(arguments: &arguments::Data) -> Result<(), Failure> {
    match &arguments.command {
        DataCommand::List => {
            list();
            Ok(())
        }
        DataCommand::Check { name, path, size, channels, test, orientation } => {
            let source = source(name)?;
            let orientation = if orientation == "ignore" { ExifOrientation::Ignore } else { ExifOrientation::Apply };
            let decoding = size.as_ref().map(|size| Decoding {
                size: [size[0], size[1]],
                channels: *channels,
                test: *test,
                orientation,
            });
            let usage = |message: &str, hint: &str| Err(Error::new(Kind::Usage, message).hint(hint).into());
            match (source, path, &decoding) {
                (source, None, _) if source.needs_path() => {
                    return usage(&format!("`{name}` needs the folder with its files"), "add `--path DIR`");
                }
                (Source::Images, _, None) => {
                    return usage("`images` need the size that they are resized to", "add `--size HEIGHT WIDTH`");
                }
                (Source::Images, ..) | (_, _, None) => {}
                _ => return usage(&format!("`{name}` is not resized"), "leave `--size` out"),
            }
            let origin = Origin { source, path: path.clone(), decoding };
            let set = origin.load()?;
            let (_, notes) = origin.outline()?;
            let repeats = match source {
                Source::Images => origin.digest()?.repeats,
                _ => data::repeats::of_pixels(&set),
            };
            notes.iter().chain(&repeats).for_each(|warning| output::warning(warning));
            output::stdout(&describe(&set));
            Ok(())
        }
        DataCommand::Fetch { name, to, from } => {
            let source = source(name)?;
            let to = to.clone().unwrap_or_else(|| PathBuf::from("data").join(name));
            let mut told: Option<Instant> = None;
            let mut telling = String::new();
            let mut tell = |progress: Progress| {
                if telling != progress.url {
                    telling = progress.url.to_owned();
                    told = None;
                    output::stderr(&format!("downloading {telling}"));
                }
                let whole = progress.total == Some(progress.bytes);
                if whole || told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                    told = Some(Instant::now());
                    let of = progress.total.map_or(String::new(), |total| format!(" of {}", bytes(total)));
                    output::stderr(&format!("{}: {}{of}", progress.file, bytes(progress.bytes)));
                }
            };
            let server = Server { mirror: from.as_deref(), proxy: ureq::Proxy::try_from_env() };
            let set = data::fetch(source, &to, &server, &mut tell)?;
            output::stdout(&describe(&set));
            output::stdout(&format!("use it with `source = \"{name}\"` and `path = \"{}\"`\n", to.display()));
            Ok(())
        }
    }
}

fn source(name: &str) -> Result<Source> {
    let found = Source::ALL.iter().copied().find(|source| source.name() == name);
    found.ok_or_else(|| {
        let error = Error::new(Kind::Usage, format!("there is no data set `{name}`"));
        match nearest::hint(name, Source::ALL.iter().map(|source| source.name())) {
            Some(hint) => error.hint(hint),
            None => error.hint("`pleach data list` shows them"),
        }
    })
}

fn list() {
    let mut text = String::new();
    for source in Source::ALL {
        let outline = source.published().map_or("your own image files".to_owned(), |outline| {
            let [height, width, channels] = outline.shape;
            let (train, test) = (count(outline.train as u64), count(outline.test as u64));
            format!("{height}x{width}x{channels}, {} classes, {train} + {test} images", outline.classes)
        });
        let publisher =
            source.publisher().map_or(String::new(), |(address, licence)| format!("  {licence:<24} {address}"));
        text.push_str(format!("{:14} {outline:<46}{publisher}", source.name()).trim_end());
        text.push('\n');
    }
    output::stdout(&text);
}

fn describe(set: &DataSet) -> String {
    let [height, width, channels] = set.train.shape;
    let (train, validation) = set.train.labels.split_at(set.train.len() - set.validation);
    // Most sets have no validation images of their own.
    let halves: Vec<(&str, &[u32])> = [("training", train), ("validation", validation), ("test", &set.test.labels)]
        .into_iter()
        .filter(|(half, labels)| *half != "validation" || !labels.is_empty())
        .collect();
    let sizes: Vec<String> =
        halves.iter().map(|(half, labels)| format!("{} {half}", count(labels.len() as u64))).collect();
    let (last, first) = sizes.split_last().expect("there are always two");
    let first = first.join(", ");
    let mut text = format!("{}: {height}x{width}x{channels}, {first} and {last} images\n", set.source.name());
    for (class, name) in (0..).zip(&set.class_names) {
        let name = printable(name);
        text.push_str(&format!("  {name:20}"));
        for (_, labels) in &halves {
            let of_class = labels.iter().filter(|label| **label == class).count();
            text.push_str(&format!(" {:>9}", count(of_class as u64)));
        }
        text.push('\n');
    }
    let every: Vec<u32> = (0..set.train.len() as u32).collect();
    let normalization = Normalization::of(&set.train, &every);
    text.push_str(&format!("{normalization} of the training images, by channel\n"));
    let known = match set.source.published_digest() {
        Some(digest) if digest == set.digest.to_hex().as_str() => " (as published)",
        Some(_) => " (not what was published)",
        None => "",
    };
    text.push_str(&format!("digest {}{known}\n", set.digest));
    text
}
