//! The program. Everything that it does is in the library, where tests can reach it.

fn main() -> std::process::ExitCode {
    monster_gateway::cli::main()
}
