//! `pleach run --serve`: a page on loopback that shows how far the run is and updates by itself, and the report so far.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tiny_http::{Header, Method, Request, Response, Server};

use super::output;
use super::report::Known;
use super::session::{OpenStore, Session};
use crate::error::{Error, Kind, Result};
use crate::plan::DataDigests;
use crate::report::best::quoted;
use crate::report::{duration, html};
use crate::run::status::{StageStatus, Status};

/// The page; it asks for `/state` once a second.
const PAGE: &str = include_str!("page.html");

/// What the pages show, shared with the thread that answers.
pub struct Shown {
    /// How far the run is.
    pub status: Arc<Mutex<Status>>,
    /// The manifest.
    pub session: Arc<Session>,
    /// Where results go.
    pub store: Arc<OpenStore>,
    /// Hashes of the data that the stages read.
    pub digests: Arc<DataDigests>,
    /// The stages that the run was asked for.
    pub targets: Vec<usize>,
    /// The manifest's file, as it was named.
    pub path: String,
}

/// Starts to answer on 127.0.0.1, on `port` or on any that is free, and says where. The thread ends with the process.
///
/// # Errors
/// [`Kind::Usage`] when the port cannot be had.
pub fn start(port: u16, shown: Shown) -> Result<()> {
    let server = Server::http(("127.0.0.1", port)).map_err(|error| {
        Error::new(Kind::Usage, format!("cannot serve the page on port {port} ({error})"))
            .hint("another program may use it; leave the port out to get a free one")
    })?;
    let address = server.server_addr().to_ip().map_or(String::new(), |address| address.to_string());
    output::stderr(&format!("  serving http://{address}"));
    let answer = move || {
        for request in server.incoming_requests() {
            respond(request, &shown, &address);
        }
    };
    let started = std::thread::Builder::new().name("serve".to_owned()).spawn(answer);
    started.map_err(|error| Error::new(Kind::Internal, format!("cannot start a thread: {error}")))?;
    Ok(())
}

fn respond(request: Request, shown: &Shown, address: &str) {
    // A page of another site could reach loopback under a name of its own; it is not answered.
    let host = request.headers().iter().find(|header| header.field.equiv("Host")).map(|header| header.value.as_str());
    let port = address.rsplit(':').next().unwrap_or_default();
    let is_ours = host.is_some_and(|host| host == address || host == format!("localhost:{port}"));
    let (code, kind, body) = match (request.method(), request.url()) {
        _ if !is_ours => (403, "text/plain; charset=utf-8", "not this host\n".to_owned()),
        (Method::Get, "/") => (200, "text/html; charset=utf-8", PAGE.to_owned()),
        (Method::Get, "/state") => {
            let status = shown.status.lock().unwrap_or_else(PoisonError::into_inner);
            (200, "application/json", state(shown, &status).to_string())
        }
        (Method::Get, "/report") => match report(shown, true) {
            Ok(document) => (200, "text/html; charset=utf-8", html::page(&document)),
            Err(error) => (500, "text/plain; charset=utf-8", format!("{error}\n")),
        },
        (Method::Get, "/report.json") => match report(shown, false) {
            Ok(document) => (200, "application/json", document),
            Err(error) => (500, "text/plain; charset=utf-8", format!("{error}\n")),
        },
        _ => (404, "text/plain; charset=utf-8", "there is `/`, `/state`, `/report` and `/report.json`\n".to_owned()),
    };
    let header = |name: &str, value: &str| Header::from_bytes(name, value).expect("plain text");
    let response = Response::from_string(body)
        .with_status_code(code)
        .with_header(header("Content-Type", kind))
        .with_header(header("Cache-Control", "no-store"))
        .with_header(header("X-Content-Type-Options", "nosniff"));
    // Whoever asked may be gone.
    let _ = request.respond(response);
}

/// What `pleach report` shows of what is in the store by now, epochs of stages that still run among it.
fn report(shown: &Shown, details: bool) -> Result<String> {
    let Shown { session, store, digests, targets, path, .. } = shown;
    let document = Known::of_targets(session, path.clone(), targets, digests, store)?.document(details)?;
    Ok(serde_json::to_string(&document).expect("results are plain data"))
}

fn state(shown: &Shown, status: &Status) -> Value {
    let (done, all) = status.done();
    let stage = |(name, status): (&String, &StageStatus)| {
        let mut value = serde_json::to_value(status).expect("a status is plain data");
        value["name"] = name.as_str().into();
        value["seconds"] = status.seconds.or(status.elapsed()).into();
        value["left"] = status.left().map(duration).into();
        value
    };
    json!({
        "pipeline": shown.session.manifest.pipeline.name,
        "report": format!("pleach report {} --format html -o report.html", quoted(&shown.path)),
        "done": done,
        "stages": all,
        "over": status.over,
        "left": status.left().map(duration),
        "sections": status.sections(),
        "list": status.stages.iter().map(stage).collect::<Vec<Value>>(),
    })
}
