//! All pages of a listing, or an error: nothing is decided on a part.
//!
//! The first page tells how many there are, and the others come side by side.

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use reqwest::Url;
use serde::de::DeserializeOwned;

use super::{
    http::{Answer, Http},
    link,
};
use crate::failure::{Failure, FailureKind};

/// The most that GitHub puts on a page.
const PAGE_SIZE: u64 = 100;
/// Pages that are asked for at once, whatever a server says there are.
const MOST_AT_ONCE: u64 = 2_000;

/// A whole listing.
#[derive(Debug)]
pub(super) struct Pages<T> {
    pub(super) items: Vec<T>,
    /// How many pages it came on; what is on one page was true at one moment.
    pub(super) pages: u64,
}

/// Where a listing goes on.
enum Next {
    /// Nowhere: this was the last page.
    End,
    /// On pages with numbers, at addresses like this one; the last number, where it is known.
    Numbered(Url, Option<u64>),
    /// At an address that says nothing of numbers.
    At(Url),
}

/// Reads a listing; `expected` is how many items there are, as far as anybody knows. More than
/// `most_pages` are asked for only if the one before says so.
///
/// `Link` is followed where it stays on the API's own origin, as GitHub asks. Where it points
/// elsewhere, or is missing behind a full page, the pages are counted up instead, until one is
/// empty: the token goes nowhere else, and a proxy that drops the header hides nothing.
pub(super) async fn all_pages<T: DeserializeOwned, U>(
    http: &Http,
    first: Url,
    expected: Option<u64>,
    most_pages: u64,
    convert: impl Fn(T) -> U,
) -> Result<Pages<U>, Failure> {
    let mut items = Vec::new();
    let mut number = 1;
    let mut at_once = 1;
    let mut visited = HashSet::new();
    let answer = http.read::<Vec<T>>(page(&first, 1)).await?;
    let mut before = answer.fingerprint;
    let mut next = next_after(http, &first, number, &answer);
    items.extend(answer.body.into_iter().map(&convert));
    loop {
        match next {
            Next::End => return Ok(Pages { items, pages: number }),
            Next::At(address) => {
                if !visited.insert(address.clone()) {
                    return Err(in_a_circle(&first));
                }
                let answer = http.read::<Vec<T>>(address).await?;
                number += 1;
                next = next_after(http, &first, number, &answer);
                items.extend(answer.body.into_iter().map(&convert));
            }
            Next::Numbered(like, last) => {
                // where nobody says how many there are, ever more are tried, until one is the last
                let known = last.or_else(|| expected.map(|expected| expected.div_ceil(PAGE_SIZE)));
                let last = match known.filter(|last| *last > number) {
                    Some(last) => {
                        http.lane().has_room_for(last - number).map_err(|kind| too_many(&first, last, kind))?;
                        last
                    }
                    None => {
                        at_once *= 2;
                        (number + at_once / 2).min(most_pages.max(number + 1))
                    }
                };
                let numbers = number + 1..=last.min(number + MOST_AT_ONCE);
                let pages = numbers.map(|number| http.read::<Vec<T>>(page(&like, number)));
                let mut pages = stream::iter(pages).buffered(http.concurrency());
                next = Next::End;
                while let Some(answer) = pages.next().await {
                    let answer = answer?;
                    // a server that knows no pages gives the first one for ever
                    if answer.fingerprint == before && !answer.body.is_empty() {
                        return Err(in_a_circle(&first));
                    }
                    before = answer.fingerprint;
                    number += 1;
                    next = next_after(http, &first, number, &answer);
                    items.extend(answer.body.into_iter().map(&convert));
                }
            }
        }
    }
}

/// What the answer with this page says of the pages after it.
fn next_after<T>(http: &Http, first: &Url, number: u64, answer: &Answer<Vec<T>>) -> Next {
    let count = answer.body.len() as u64;
    let Some(links) = answer.link.as_deref() else {
        return if count >= PAGE_SIZE { Next::Numbered(first.clone(), None) } else { Next::End };
    };
    let Some(target) = link::target(links, "next") else { return Next::End };
    let last = link::target(links, "last").and_then(|target| number_of(&http.resolve(target)?));
    match http.own(target) {
        Some(own) if number_of(&own) == Some(number + 1) => Next::Numbered(own, last),
        Some(own) => Next::At(own),
        None if count > 0 => Next::Numbered(first.clone(), last),
        None => Next::End,
    }
}

/// The number of the page at an address, if it has one.
fn number_of(address: &Url) -> Option<u64> {
    address.query_pairs().find(|(name, _)| name == "page").and_then(|(_, number)| number.parse().ok())
}

/// The address of one page; the first has no number, so that a log shows the plain call.
fn page(like: &Url, number: u64) -> Url {
    let mut address = like.clone();
    let others = like.query_pairs().filter(|(name, _)| name != "page" && name != "per_page");
    let mut query = address.query_pairs_mut();
    query.clear().extend_pairs(others).append_pair("per_page", "100");
    if number > 1 {
        query.append_pair("page", &number.to_string());
    }
    drop(query);
    address
}

fn in_a_circle(first: &Url) -> Failure {
    failure(first, FailureKind::Incomplete, "the pages of the listing run in a circle".to_owned())
}

/// Begun, it would spend what is left of the limit and come to nothing.
fn too_many(first: &Url, pages: u64, kind: FailureKind) -> Failure {
    failure(first, kind, format!("the listing has {pages} pages, more than the requests that are left for this run"))
}

fn failure(first: &Url, kind: FailureKind, message: String) -> Failure {
    Failure { kind, request: format!("GET {}", first.path()), message, request_id: None, perhaps_done: false }
}
