//! Compressed bytes in, plain bytes out, piece by piece and never more than asked for.
//!
//! A few kilobytes can unpack to gigabytes, so the room that is left is checked after every step, and
//! a step is small.

use std::io::Write;

use flate2::write::MultiGzDecoder;
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

/// Gzip expands at most about a thousandfold: a megabyte a step.
const GZIP_STEP: usize = 1 << 10;
/// Zstandard's output a step.
const ZSTD_STEP: usize = 128 << 10;

/// How the bytes are packed.
pub(super) enum Unpack {
    /// Not at all.
    Plain,
    /// Gzip, one member or several.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// Zstandard; whether the last frame is complete.
    Zstd { decoder: Box<Decoder<'static>>, out: Vec<u8>, complete: bool },
}

/// Why bytes could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    /// The encoding is unknown.
    #[error("the content encoding `{0}` is not known: use gzip, zstd or none")]
    Unknown(String),
    /// More than the limit came out.
    #[error("it unpacks to more than is allowed")]
    TooLarge,
    /// They are damaged or end early.
    #[error("the {0} data is damaged or incomplete")]
    Damaged(&'static str),
}

impl Unpack {
    /// By the name of a `Content-Encoding`.
    pub(super) fn by_name(name: &str) -> Result<Unpack, UnpackError> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Unpack::Plain),
            "gzip" | "x-gzip" => Ok(Unpack::gzip()),
            "zstd" => Unpack::zstd(),
            other => Err(UnpackError::Unknown(other.to_owned())),
        }
    }

    /// By the first bytes of a file.
    pub(super) fn by_content(first: &[u8]) -> Result<Unpack, UnpackError> {
        match first {
            [0x1f, 0x8b, ..] => Ok(Unpack::gzip()),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Unpack::zstd(),
            _ => Ok(Unpack::Plain),
        }
    }

    fn gzip() -> Unpack {
        Unpack::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))
    }

    fn zstd() -> Result<Unpack, UnpackError> {
        let decoder = Decoder::new().map_err(|_| UnpackError::Damaged("zstd"))?;
        Ok(Unpack::Zstd { decoder: Box::new(decoder), out: Vec::new(), complete: true })
    }

    /// Takes bytes in and moves what comes of them to the end of `out`, which may grow to `most`.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>, most: usize) -> Result<(), UnpackError> {
        match self {
            Unpack::Plain => {
                if out.len().saturating_add(bytes.len()) > most {
                    return Err(UnpackError::TooLarge);
                }
                out.extend_from_slice(bytes);
            }
            Unpack::Gzip(decoder) => {
                for step in bytes.chunks(GZIP_STEP) {
                    decoder.write_all(step).map_err(|_| UnpackError::Damaged("gzip"))?;
                    out.append(decoder.get_mut());
                    if out.len() > most {
                        return Err(UnpackError::TooLarge);
                    }
                }
            }
            Unpack::Zstd { decoder, out: buffer, complete } => {
                let mut input = InBuffer::around(bytes);
                buffer.resize(ZSTD_STEP, 0);
                loop {
                    let (read, mut output) = (input.pos(), OutBuffer::around(&mut buffer[..]));
                    let hint = decoder.run(&mut input, &mut output).map_err(|_| UnpackError::Damaged("zstd"))?;
                    let written = output.pos();
                    *complete = hint == 0 || (*complete && written == 0 && input.pos() == read);
                    out.extend_from_slice(&buffer[..written]);
                    if out.len() > most {
                        return Err(UnpackError::TooLarge);
                    }
                    // A full step may have left output inside the decoder.
                    if input.pos() == bytes.len() && written < ZSTD_STEP {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// There are no more bytes.
    pub(super) fn finish(self, out: &mut Vec<u8>, most: usize) -> Result<(), UnpackError> {
        match self {
            Unpack::Plain => {}
            Unpack::Gzip(decoder) => {
                out.append(&mut decoder.finish().map_err(|_| UnpackError::Damaged("gzip"))?);
            }
            Unpack::Zstd { complete: true, .. } => {}
            Unpack::Zstd { complete: false, .. } => return Err(UnpackError::Damaged("zstd")),
        }
        if out.len() > most { Err(UnpackError::TooLarge) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(mut unpack: Unpack, bytes: &[u8], piece: usize, most: usize) -> Result<Vec<u8>, UnpackError> {
        let mut out = Vec::new();
        for chunk in bytes.chunks(piece) {
            unpack.push(chunk, &mut out, most)?;
        }
        unpack.finish(&mut out, most)?;
        Ok(out)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_packed_comes_out_in_any_pieces() {
        let text: Vec<u8> = (0..300_000u32).flat_map(|i| (i % 1009).to_le_bytes()).collect();
        let mut two = gzip(&text[..100_000]);
        two.extend(gzip(&text[100_000..]));
        let mut frames = zstd::encode_all(&text[..100_000], 1).unwrap();
        frames.extend(zstd::encode_all(&text[100_000..], 1).unwrap());
        for piece in [1, 7, 4096, usize::MAX >> 1] {
            let gz = unpack(Unpack::by_content(&two).unwrap(), &two, piece, text.len()).unwrap();
            assert!(gz == text, "gzip, pieces of {piece}");
            let zst = unpack(Unpack::by_content(&frames).unwrap(), &frames, piece, text.len()).unwrap();
            assert!(zst == text, "zstd, pieces of {piece}");
            assert!(unpack(Unpack::by_name("identity").unwrap(), &text, piece, text.len()).unwrap() == text);
        }
        assert!(matches!(unpack(Unpack::gzip(), &two, 512, text.len() - 1), Err(UnpackError::TooLarge)));
    }

    #[test]
    fn bombs_and_damage_are_refused() {
        let zeros = vec![0; 64 << 20];
        for (name, bomb) in [("gzip", gzip(&zeros)), ("zstd", zstd::encode_all(&zeros[..], 1).unwrap())] {
            let all = unpack(Unpack::by_name(name).unwrap(), &bomb, 1 << 20, 1 << 20);
            assert!(matches!(all, Err(UnpackError::TooLarge)), "{name}");
            let short = unpack(Unpack::by_name(name).unwrap(), &bomb[..bomb.len() - 3], 1 << 20, 1 << 30);
            assert!(matches!(short, Err(UnpackError::Damaged(_))), "{name} cut short");
            let wrong = unpack(Unpack::by_name(name).unwrap(), b"plainly not packed", 5, 1 << 20);
            assert!(matches!(wrong, Err(UnpackError::Damaged(_))), "{name} not packed");
            assert!(
                unpack(Unpack::by_name(name).unwrap(), b"", 5, 1 << 20).is_ok_and(|b| b.is_empty()) || name == "gzip"
            );
        }
        assert!(matches!(Unpack::by_name("br"), Err(UnpackError::Unknown(_))));
    }
}
