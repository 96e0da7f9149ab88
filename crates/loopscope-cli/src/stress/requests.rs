//! Requests on the command line: `--endpoint METHOD PATH`, `--call METHOD PATH`, `--probe METHOD PATH`, each with the
//! `--body` that follows it.

use std::fs;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// The requests that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) endpoints: Vec<Written>,
    pub(super) calls: Vec<Written>,
    pub(super) probe: Option<Written>,
}

/// One request as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) method: String,
    /// A path, or a whole address.
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

const KINDS: [(&str, &str); 3] = [
    (
        "endpoint",
        "Load this endpoint of the service, such as GET /orders or GET http://HOST:PORT/orders. May be given again",
    ),
    (
        "call",
        "A slow path of the service, such as an agent's run: what does it cost everybody else? May be given again",
    ),
    (
        "probe",
        "The cheap request that is sent beside each --call; without it the first GET --endpoint",
    ),
];

impl Args for Asked {
    fn augment_args(command: Command) -> Command {
        let with_kinds = KINDS.iter().fold(command, |command, (name, help)| {
            let arg = Arg::new(*name)
                .long(*name)
                .num_args(2)
                .value_names(["METHOD", "PATH"])
                .action(ArgAction::Append)
                .help(*help);
            command.arg(arg)
        });
        let body = Arg::new("body")
            .long("body")
            .value_name("TEXT|@FILE")
            .action(ArgAction::Append)
            .help("The body of the request before it: text, or a file's");
        with_kinds.arg(body)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Asked {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut asked = Self::default();
        asked.update_from_arg_matches(matches)?;
        Ok(asked)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let [mut endpoints, mut calls, mut probes] = KINDS.map(|(name, _)| placed(matches, name));
        for (at, body) in bodies(matches) {
            let all = endpoints.iter_mut().chain(&mut calls).chain(&mut probes);
            let before = all.filter(|(place, _)| *place < at);
            let Some((_, owner)) = before.max_by_key(|(place, _)| *place) else {
                return Err(wrong(
                    "--body belongs to the --endpoint, --call or --probe before it",
                ));
            };
            if !owner.body.is_empty() {
                return Err(wrong("a request has one --body"));
            }
            owner.body = read_body(body)?;
        }
        let bare = |placed: Vec<(usize, Written)>| placed.into_iter().map(|(_, one)| one).collect();
        (self.endpoints, self.calls) = (bare(endpoints), bare(calls));
        let mut probes: Vec<_> = bare(probes);
        if probes.len() > 1 {
            return Err(wrong("there is one --probe"));
        }
        self.probe = probes.pop();
        Ok(())
    }
}

/// Requests of a kind, each with the place of its last word.
fn placed(matches: &ArgMatches, name: &str) -> Vec<(usize, Written)> {
    let words = matches.get_many::<String>(name).into_iter().flatten();
    let places = matches.indices_of(name).into_iter().flatten();
    let words: Vec<_> = words.zip(places).collect();
    let pairs = words.chunks_exact(2).map(|pair| {
        let written = Written {
            method: pair[0].0.to_ascii_uppercase(),
            path: pair[1].0.clone(),
            body: Vec::new(),
        };
        (pair[1].1, written)
    });
    pairs.collect()
}

fn bodies(matches: &ArgMatches) -> impl Iterator<Item = (usize, &String)> {
    let bodies = matches.get_many::<String>("body").into_iter().flatten();
    let places = matches.indices_of("body").into_iter().flatten();
    places.zip(bodies)
}

fn read_body(text: &str) -> Result<Vec<u8>, clap::Error> {
    let Some(file) = text.strip_prefix('@') else {
        return Ok(text.as_bytes().to_vec());
    };
    fs::read(file).map_err(|error| wrong(&format!("cannot read the body ({error}): {file}")))
}

fn wrong(what: &str) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{what}\n"))
}

/// A header as it is written: `Name: value`.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("expected a header as 'Name: value'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Result<Asked, clap::Error> {
        let command = Asked::augment_args(Command::new("stress").no_binary_name(true));
        Asked::from_arg_matches(&command.try_get_matches_from(words)?)
    }

    fn written(method: &str, path: &str, body: &str) -> Written {
        Written {
            method: method.into(),
            path: path.into(),
            body: body.into(),
        }
    }

    #[test]
    fn each_body_belongs_to_the_request_before_it() {
        let found = asked(&[
            "--endpoint",
            "get",
            "/a",
            "--endpoint",
            "POST",
            "/b",
            "--body",
            "one",
            "--call",
            "POST",
            "/c",
            "--body",
            "two",
            "--endpoint",
            "GET",
            "/d",
        ]);
        let found = found.unwrap();
        assert_eq!(
            found.endpoints,
            [
                written("GET", "/a", ""),
                written("POST", "/b", "one"),
                written("GET", "/d", "")
            ]
        );
        assert_eq!(found.calls, [written("POST", "/c", "two")]);
        assert_eq!(found.probe, None);
    }

    #[test]
    fn a_body_is_read_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("body.json");
        fs::write(&file, "{}").unwrap();
        let word = format!("@{}", file.display());
        let found = asked(&["--call", "POST", "/c", "--body", &word]).unwrap();
        assert_eq!(found.calls[0].body, b"{}");
        assert!(asked(&["--call", "POST", "/c", "--body", "@/no/such/file"]).is_err());
    }

    #[test]
    fn what_belongs_to_nothing_is_refused() {
        for words in [
            &["--body", "x"][..],
            &["--body", "x", "--call", "POST", "/c"],
            &["--call", "POST", "/c", "--body", "x", "--body", "y"],
            &["--endpoint", "GET"],
            &["--probe", "GET", "/a", "--probe", "GET", "/b"],
        ] {
            assert!(asked(words).is_err(), "{words:?}");
        }
    }
}
