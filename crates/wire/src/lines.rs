use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};

/// The longest line that is taken, so that a broken server cannot fill the memory.
const MAX_LINE_BYTES: usize = 4 << 20;

/// Cuts a stream of bytes into its lines, without their ends; empty lines are left out.
pub(crate) fn lines<E>(
    chunks: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, E>> {
    let begin = (Box::pin(chunks), BytesMut::new(), false);
    stream::unfold(begin, |(mut chunks, mut held, mut at_end)| async move {
        loop {
            if let Some(end) = held.iter().position(|byte| *byte == b'\n') {
                let line = held.split_to(end + 1).freeze().slice(..end);
                if line.is_empty() {
                    continue;
                }
                return Some((Ok(line), (chunks, held, at_end)));
            }
            if at_end || held.len() > MAX_LINE_BYTES {
                let rest = held.split().freeze();
                return (!rest.is_empty()).then_some((Ok(rest), (chunks, held, true)));
            }
            match chunks.next().await {
                Some(Ok(chunk)) => held.extend_from_slice(&chunk),
                Some(Err(error)) => {
                    held.clear();
                    return Some((Err(error), (chunks, held, true)));
                }
                None => at_end = true,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_found_wherever_the_chunks_end() {
        let chunks = ["a", "b\n", "\nc\nd", "", "e"].map(|text| Ok::<_, ()>(Bytes::from(text)));
        let lines: Vec<_> = lines(stream::iter(chunks)).map(Result::unwrap).collect().await;
        assert_eq!(lines, ["ab", "c", "de"]);
    }

    #[tokio::test]
    async fn an_error_ends_it() {
        let chunks = [Ok(Bytes::from("a\nb")), Err("gone"), Ok(Bytes::from("never\n"))];
        let lines: Vec<_> = lines(stream::iter(chunks)).collect().await;
        assert_eq!(lines, [Ok(Bytes::from("a")), Err("gone")]);
    }
}
