use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode};
use axum::response::IntoResponse;
use serde::Deserialize;

use super::Shared;
use crate::cache::Found;
use crate::problem::{Asked, Body, Fault, Problem};
use crate::store::{Order, Popular};

const MOST_POPULAR: i64 = 5;
const MAX_ORDERS: i64 = 100;
const MAX_ITEM_CHARACTERS: usize = 100;
const MAX_QUANTITY: i32 = 1000;
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

#[derive(Debug, Deserialize)]
pub struct Page {
    /// 20 unless said, at most 100.
    limit: Option<i64>,
}

pub async fn list(State(shop): State<Shared>, Asked(page): Asked<Page>) -> Result<Json<Vec<Order>>, Problem> {
    let limit = page.limit.unwrap_or(20);
    if !(1..=MAX_ORDERS).contains(&limit) {
        let detail = format!("limit is {limit}, expected 1 to {MAX_ORDERS}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    Ok(Json(shop.store.orders(limit).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    item: String,
    quantity: i32,
}

impl NewOrder {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let length = self.item.trim().chars().count();
        if length == 0 || length > MAX_ITEM_CHARACTERS {
            let detail = format!("has {length} characters, expected 1 to {MAX_ITEM_CHARACTERS}");
            faults.push(Fault { pointer: "#/item", detail });
        }
        if !(1..=MAX_QUANTITY).contains(&self.quantity) {
            let detail = format!("is {}, expected 1 to {MAX_QUANTITY}", self.quantity);
            faults.push(Fault { pointer: "#/quantity", detail });
        }
        faults
    }
}

pub async fn add(State(shop): State<Shared>, Body(new): Body<NewOrder>) -> Result<impl IntoResponse, Problem> {
    let faults = new.faults();
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let order = shop.store.add(new.item.trim(), new.quantity).await?;
    shop.cache.forget().await;
    Ok((StatusCode::CREATED, Json(order)))
}

/// The header `x-cache` says whether the cache knew it: `hit`, `miss` or `away`.
pub async fn popular(
    State(shop): State<Shared>,
) -> Result<([(HeaderName, &'static str); 1], Json<Vec<Popular>>), Problem> {
    let found = shop.cache.read().await;
    let said = match found {
        Found::Hit(popular) => return Ok(([(X_CACHE, "hit")], Json(popular))),
        Found::Miss => "miss",
        Found::Away => "away",
    };
    let popular = shop.store.popular(MOST_POPULAR).await?;
    if found == Found::Miss {
        shop.cache.write(&popular).await;
    }
    Ok(([(X_CACHE, said)], Json(popular)))
}
