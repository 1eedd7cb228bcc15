//! What GitHub says: bodies, error messages to the letter, and the headers of every answer.

use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{
    Response,
    body::{Bytes, Frame},
    http::response::Builder,
};
use serde_json::{Value, json};

use super::{Body, Request, state::GitHub};

/// The answers seen in public, by their names there.
const OBSERVED: [&str; 2] = [
    include_str!("../data/github/observed/rest-errors.json"),
    include_str!("../data/github/observed/registry-responses.json"),
];

/// An answer before it goes over the wire.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string().into_bytes() }
    }

    /// 204: done.
    pub fn no_content() -> Self {
        Self { status: 204, headers: Vec::new(), body: Vec::new() }
    }

    /// An error with a message, in the shape of the schema `basic-error`.
    pub fn error(status: u16, message: &str) -> Self {
        let documentation = "https://docs.github.com/rest/packages/packages";
        Self::json(
            status,
            &json!({"message": message, "documentation_url": documentation, "status": status.to_string()}),
        )
    }

    /// An error to the letter, as somebody saw it.
    pub fn observed(id: &str) -> Self {
        let all =
            OBSERVED.iter().flat_map(|text| serde_json::from_str::<Vec<Value>>(text).expect("the observed answers"));
        let found = all.into_iter().find(|seen| seen["id"] == id).unwrap_or_else(|| panic!("nobody saw {id}"));
        Self::json(u16::try_from(found["status"].as_u64().expect("a status")).expect("a status"), &found["body"])
    }

    /// A web page where JSON was promised, as proxies and outages give it.
    pub fn html(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: b"<html><body>Unicorn!</body></html>".to_vec() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn head(&self, github: &mut GitHub, request: &Request) -> Builder {
        github.answered += 1;
        let now = github.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let mut builder = Response::builder()
            .status(self.status)
            .header("date", github.date.as_ref().unwrap_or(&now))
            .header("x-github-media-type", "github.v3; format=json")
            .header("x-github-request-id", format!("C0FE:2A{:04X}:1B:3C", github.answered));
        if !self.headers.iter().any(|(name, _)| name == "content-type") {
            builder = builder.header("content-type", "application/json; charset=utf-8");
        }
        for (name, value) in github.limits_of(request).into_iter().chain(self.headers.iter().cloned()) {
            builder = builder.header(name, value);
        }
        builder
    }

    pub(super) fn into_response(self, github: &mut GitHub, request: &Request) -> Response<Body> {
        let head = self.head(github, request);
        head.body(Full::from(self.body).map_err(|never| match never {}).boxed()).expect("an answer")
    }

    /// Half of the body, under a head that promises all of it.
    pub(super) fn cut_off(self, github: &mut GitHub, request: &Request) -> Response<Body> {
        let head = self.head(github, request).header("content-length", self.body.len().max(2));
        let half = Bytes::from(self.body[..self.body.len() / 2].to_vec());
        let broken = std::io::Error::other("cut off");
        let body = StreamBody::new(stream::iter([Ok(Frame::data(half)), Err(broken)]));
        head.body(BodyExt::boxed(body)).expect("an answer")
    }
}
