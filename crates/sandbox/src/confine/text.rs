//! Text of bounded length without allocation.

use std::ffi::CStr;
use std::fmt;
use std::io;

/// A NUL-terminated text of at most 127 bytes on the stack.
#[derive(Debug)]
pub struct Text {
    bytes: [u8; 128],
    length: usize,
}

impl Text {
    /// Formats into it.
    ///
    /// Errors: `ENAMETOOLONG` when it does not fit.
    pub fn format(arguments: fmt::Arguments<'_>) -> io::Result<Self> {
        let mut text = Self {
            bytes: [0; 128],
            length: 0,
        };
        fmt::write(&mut text, arguments)
            .map_err(|_| io::Error::from_raw_os_error(libc::ENAMETOOLONG))?;
        Ok(text)
    }

    /// Its bytes without the NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// As the kernel wants it.
    ///
    /// Errors: `EINVAL` when a NUL stands inside.
    pub fn as_c_str(&self) -> io::Result<&CStr> {
        CStr::from_bytes_with_nul(&self.bytes[..=self.length])
            .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.length + part.len();
        // The last byte stays NUL.
        if end >= self.bytes.len() {
            return Err(fmt::Error);
        }
        self.bytes[self.length..end].copy_from_slice(part.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn text_is_terminated_and_never_overruns() {
        let text = Text::format(format_args!("size={}", 7)).unwrap();
        assert_eq!(text.as_c_str().unwrap(), c"size=7");
        assert!(Text::format(format_args!("{:>127}", "x")).is_ok());
        assert!(Text::format(format_args!("{:>128}", "x")).is_err());
    }
}
