//! The terminal while `hostnorm top` uses it: its other screen, without a cursor and without echo. Dropping it restores all.

use std::io::{self, Write};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use super::screen::ScreenSize;

/// To the other screen; hide the cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// Show the cursor; back to the first screen.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the upper left corner.
const HOME: &str = "\x1b[H";
/// Erase the rest of the line, and begin the next one.
const NEXT_LINE: &str = "\x1b[K\r\n";
/// Erase what is below.
const ERASE_BELOW: &str = "\x1b[J";

/// The terminal in use.
pub(super) struct Terminal {
    /// The mode of standard input before; absent if that is no terminal.
    before: Option<Termios>,
}

impl Terminal {
    /// Takes the terminal of standard output.
    pub(super) fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin()).ok();
        let own = Self { before };
        if let Some(before) = &own.before {
            let mut keys = before.clone();
            // A key is read at once and not shown; Ctrl-C still makes a signal.
            keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            keys.special_codes[SpecialCodeIndex::VMIN] = 1;
            tcsetattr(io::stdin(), OptionalActions::Now, &keys)?;
        }
        write(ENTER)?;
        Ok(own)
    }

    /// The size of the screen.
    pub(super) fn size(&self) -> ScreenSize {
        let size = tcgetwinsize(io::stdout()).ok().filter(|it| it.ws_col > 0 && it.ws_row > 0);
        let (columns, lines) = size.map_or((80, 24), |it| (it.ws_col, it.ws_row));
        ScreenSize { columns: usize::from(columns), lines: usize::from(lines) }
    }

    /// Shows these lines; nothing flickers, because the screen is not erased first.
    pub(super) fn show(&self, text: &str) -> io::Result<()> {
        let lines: Vec<&str> = text.lines().collect();
        // A line break in the last line would scroll.
        write(&format!("{HOME}{}{ERASE_BELOW}", lines.join(NEXT_LINE) + "\x1b[K"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = write(LEAVE);
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
