//! All pages of a listing, or an error: nothing is decided on a part.

use std::collections::HashSet;

use reqwest::Url;
use serde::de::DeserializeOwned;

use super::{http::Http, link};
use crate::failure::{Failure, FailureKind};

/// The most that GitHub puts on a page.
const PAGE_SIZE: usize = 100;

/// A whole listing.
#[derive(Debug)]
pub(super) struct Pages<T> {
    pub(super) items: Vec<T>,
    /// How many pages it came on; what is on one page was true at one moment.
    pub(super) pages: u64,
}

/// Reads a listing page by page.
///
/// `Link` is followed verbatim where it stays on the API's own origin, as GitHub asks. Where it
/// points elsewhere, or is missing behind a full page, the pages are counted up instead, until
/// one is empty: the token goes nowhere else, and a proxy that drops the header hides nothing.
pub(super) async fn all_pages<T: DeserializeOwned>(http: &Http, first: Url) -> Result<Pages<T>, Failure> {
    let mut items = Vec::new();
    let mut number = 1_u64;
    let mut address = page(&first, number);
    let mut visited = HashSet::new();
    loop {
        if !visited.insert(address.clone()) {
            return Err(Failure {
                kind: FailureKind::Incomplete,
                request: format!("GET {}", first.path()),
                message: format!("the pages of the listing run in a circle (page {number} came twice)"),
                request_id: None,
                perhaps_done: false,
            });
        }
        let answer = http.read::<Vec<T>>(address).await?;
        let count = answer.body.len();
        items.extend(answer.body);
        number += 1;
        let next = answer.link.as_deref().and_then(link::next);
        address = match next.map(|target| http.own(target)) {
            Some(Some(own)) => own,
            Some(None) if count > 0 => page(&first, number),
            None if answer.link.is_none() && count >= PAGE_SIZE => page(&first, number),
            _ => return Ok(Pages { items, pages: number - 1 }),
        };
    }
}

/// The address of one page; the first has no number, so that a log shows the plain call.
fn page(first: &Url, number: u64) -> Url {
    let mut address = first.clone();
    let mut query = address.query_pairs_mut();
    query.append_pair("per_page", "100");
    if number > 1 {
        query.append_pair("page", &number.to_string());
    }
    drop(query);
    address
}
