//! `POST /api/v1/events`: JSON in, a receipt out once it is durable.
//!
//! The body is an object, an array or NDJSON, plain, gzip or zstd. The whole body is one block: it is
//! acknowledged as a whole or refused as a whole. A client that got no answer sends it again: an event with an `event.id`, and a
//! body under an `Idempotency-Key`, is taken once; the receipt says how many were `duplicates`.

use std::pin::pin;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use serde_json::json;
use warp::Buf;
use warp::http::{HeaderMap, StatusCode, header};

use super::intake::RequestId;
use super::params::Params;
use super::unpack::{Unpack, UnpackError};
use super::{Answer, intake, json, split};
use crate::event::raw::{Receipt, Source};
use crate::serve::Context;
use crate::serve::problem::Problem;

/// Takes posted events.
pub(super) async fn post<B: Buf>(
    context: Arc<Context>,
    mut params: Params,
    headers: HeaderMap,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Answer {
    let name = params.take("source").map_or(Ok("http".to_owned()), |given| intake::name(&given))?;
    params.end()?;
    let id = RequestId::of(&headers)?;
    let body = read(context.limits.body, "send it in parts, or post files to /ingest", &headers, body).await?;
    // A body of megabytes takes a while to look through; others should not wait for it.
    let lines = tokio::task::spawn_blocking(move || split::split(&body)).await;
    let lines = lines.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the body could not be read"))?;
    let lines = lines.map_err(|e| Problem::bad_request(e.to_string()))?;
    let source = Source { format: Some("json".into()), ..Source::stream(name) };
    let pending = intake::send(&context, source, lines.into(), 0, id.as_ref()).await?;
    let Receipt { events, parse_failures, duplicates } = intake::durable(pending).await?;
    Ok(json(&json!({ "events": events, "parse_failures": parse_failures, "duplicates": duplicates })))
}

/// The body, unpacked, of at most so many bytes; `otherwise` is what to do when it has more.
pub(super) async fn read<B: Buf>(
    most: usize,
    otherwise: &str,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Vec<u8>, Problem> {
    let too_large = || {
        let size = if most < 1 << 20 { format!("{} KiB", most >> 10) } else { format!("{} MiB", most >> 20) };
        Problem::too_large(format!("the body is over {size}: {otherwise}"))
    };
    let refuse = |error: UnpackError| match error {
        UnpackError::Unknown(_) => Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error.to_string()),
        UnpackError::TooLarge => too_large(),
        UnpackError::Damaged(_) => Problem::bad_request(error.to_string()),
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let encoding = headers.get(header::CONTENT_ENCODING).map_or("", |v| v.to_str().unwrap_or("?"));
    let mut unpack = Unpack::by_name(encoding).map_err(refuse)?;
    let mut out = Vec::new();
    let mut body = pin!(body);
    while let Some(piece) = body.next().await {
        let mut piece = piece.map_err(|_| Problem::bad_request("the body ended before it was complete"))?;
        while piece.has_remaining() {
            let chunk = piece.chunk();
            unpack.push(chunk, &mut out, most).map_err(refuse)?;
            let taken = chunk.len();
            piece.advance(taken);
        }
    }
    unpack.finish(&mut out, most).map_err(refuse)?;
    Ok(out)
}
