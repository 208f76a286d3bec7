//! An HTTP server on loopback that does what a test tells it to, one connection after another. The unit tests of
//! downloads use it too.

#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The first line without the version, such as `GET /file`.
    pub line: String,
    /// The first byte that is wanted, if not all are.
    pub begins: Option<usize>,
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    /// More header lines.
    pub headers: Vec<String>,
    pub body: Vec<u8>,
    /// The length that is claimed, if it is not that of the body; the connection then ends early.
    pub claims: Option<u64>,
}

impl Reply {
    /// An answer without content.
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// All of `content`, whatever part is wanted.
    pub fn whole(content: &[u8]) -> Self {
        Self { status: 200, body: content.to_vec(), ..Self::default() }
    }

    /// The part of `content` that is wanted.
    pub fn part(content: &[u8], request: &Request) -> Self {
        match request.begins {
            None => Self::whole(content),
            Some(begins) if begins >= content.len() => Self::status(416),
            Some(begins) => {
                let range = format!("Content-Range: bytes {begins}-{}/{}", content.len() - 1, content.len());
                Self { status: 206, headers: vec![range], body: content[begins..].to_vec(), claims: None }
            }
        }
    }

    /// The connection ends after `bytes` of the body.
    pub fn cut(mut self, bytes: usize) -> Self {
        self.claims = Some(self.body.len() as u64);
        self.body.truncate(bytes);
        self
    }
}

/// The server; it ends when it is dropped.
pub struct Server {
    /// `http://127.0.0.1:PORT`.
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers requests with what `answer` says.
    pub fn start(mut answer: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let (requests, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, end) = (requests.clone(), ended.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let Some((stream, request)) = stream.ok().and_then(read) else { continue };
                let reply = answer(&request);
                seen.lock().expect("a lock").push(request);
                write(stream, &reply);
            }
        });
        Self { address, requests, ended, thread: Some(thread) }
    }

    /// What was asked for since this was last called.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().expect("a lock"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address.trim_start_matches("http://"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read(stream: TcpStream) -> Option<(TcpStream, Request)> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let line = first.trim_end().rsplit_once(' ')?.0.to_owned();
    let mut begins = None;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            return Some((reader.into_inner(), Request { line, begins }));
        }
        if let Some(range) = header.strip_prefix("range: bytes=") {
            begins = range.trim_end_matches('-').parse().ok();
        }
    }
}

fn write(mut stream: TcpStream, reply: &Reply) {
    let length = reply.claims.unwrap_or(reply.body.len() as u64);
    let mut head = format!("HTTP/1.1 {} X\r\nContent-Length: {length}\r\nConnection: close\r\n", reply.status);
    reply.headers.iter().for_each(|header| head.push_str(&format!("{header}\r\n")));
    // The client may have gone away.
    let _ = stream.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| stream.write_all(&reply.body));
}
