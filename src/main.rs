//! The program: hands over to the command line, and its exit code to the system.

fn main() -> std::process::ExitCode {
    voice_campaigns::cli::run()
}
