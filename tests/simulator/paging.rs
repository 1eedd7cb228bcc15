//! Pages of a listing and their `Link` header.

use serde_json::Value;

use super::{
    Request,
    answers::Answer,
    state::{GitHub, Paging},
};

const DEFAULT_PER_PAGE: usize = 30;

/// One page of so many items, with the links GitHub gives: `numeric` is the path with ids instead of
/// logins that its links have (`tests/data/github/observed/link-headers.json`).
pub(super) fn page(
    github: &GitHub,
    request: &Request,
    numeric: &str,
    total: usize,
    item: impl Fn(usize) -> Value,
) -> Answer {
    let number = |name| request.parameter(name).and_then(|text| text.parse::<usize>().ok());
    let per_page = number("per_page").unwrap_or(DEFAULT_PER_PAGE).clamp(1, github.most_per_page);
    let page = number("page").unwrap_or(1).max(1);
    let last = total.div_ceil(per_page).max(1);
    let shown: Vec<_> = ((page - 1) * per_page..total).take(per_page).map(item).collect();
    let answer = Answer::json(200, &Value::Array(shown));
    let base = match github.paging {
        Paging::OtherOrigin => "https://api.example.com",
        _ => github.url.as_str(),
    };
    let others: String = request
        .query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("page=") && !pair.starts_with("per_page="))
        .map(|pair| format!("&{pair}"))
        .collect();
    let link =
        |page: usize, rel: &str| format!("<{base}{numeric}?page={page}&per_page={per_page}{others}>; rel=\"{rel}\"");
    let mut links = Vec::new();
    if page > 1 {
        links.push(link((page - 1).min(last), "prev"));
    }
    if page < last {
        links.push(link(page + 1, "next"));
        if github.paging != Paging::WithoutLast {
            links.push(link(last, "last"));
        }
    }
    if page > 1 {
        links.push(link(1, "first"));
    }
    if links.is_empty() || github.paging == Paging::WithoutLink {
        answer
    } else {
        answer.header("link", &links.join(", "))
    }
}
