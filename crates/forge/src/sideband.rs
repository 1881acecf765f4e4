//! The end of a push's answer: words for the person who pushed, as `remote: …`.
//!
//! gitprotocol-pack, "Reporting Status": after the report the server may go on sending band 2 until the flush
//! packet. Git's own `post-receive` hook speaks there, and so do we, without a hook.

/// The packet that ends an answer.
pub(crate) const FLUSH: &[u8] = b"0000";

/// Holds back the last four bytes of a stream, for they may be the flush packet that ends it.
#[derive(Default)]
pub(crate) struct Tail {
    held: Vec<u8>,
    first: Vec<u8>,
}

impl Tail {
    /// What may go on of the bytes so far.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let missing = 5_usize.saturating_sub(self.first.len());
        self.first.extend(bytes.iter().take(missing));
        self.held.extend_from_slice(bytes);
        let ready = self.held.len().saturating_sub(FLUSH.len());
        self.held.drain(..ready).collect()
    }

    /// The end of the stream, with words before the flush packet where the client takes them.
    pub(crate) fn finish(self, words: &str) -> Vec<u8> {
        let has_bands = matches!(self.first.get(4), Some(1..=3));
        if !has_bands || self.held != FLUSH {
            return self.held;
        }
        let mut end: Vec<u8> = words.lines().flat_map(packet).collect();
        end.extend_from_slice(FLUSH);
        end
    }
}

/// One line on band 2. A longer one than a packet takes is cut.
fn packet(line: &str) -> Vec<u8> {
    let line: String = line.chars().take(900).collect();
    let mut packet = format!("{:04x}\u{2}", line.len() + 6).into_bytes();
    packet.extend_from_slice(line.as_bytes());
    packet.push(b'\n');
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(chunks: &[&[u8]], words: &str) -> Vec<u8> {
        let mut tail = Tail::default();
        let mut out: Vec<u8> = chunks.iter().flat_map(|chunk| tail.pass(chunk)).collect();
        out.extend(tail.finish(words));
        out
    }

    #[test]
    fn words_stand_before_the_flush_packet() {
        let said = through(&[b"000a\x01unpa", b"k000", b"0"], "hello");
        assert_eq!(said, b"000a\x01unpak000b\x02hello\n0000");
    }

    #[test]
    fn an_answer_without_bands_is_left_alone() {
        assert_eq!(through(&[b"000eunpack ok\n0000"], "hello"), b"000eunpack ok\n0000");
        assert_eq!(through(&[b"000a\x01unpack"], "hello"), b"000a\x01unpack");
        assert_eq!(through(&[b""], "hello"), b"");
    }
}
