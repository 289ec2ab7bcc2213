import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";

/**
 * Ends a child also when this process is killed and can do nothing more itself; removes a directory
 * then. A shell waits for the end of its standard input, which is the end of this process.
 */
export function endsWithMe(child: ChildProcess, signal: "KILL" | "QUIT", directory: string): void {
  if (process.platform === "win32" || child.pid === undefined) return;
  const script = 'read -r _; kill "-$1" "$2"; sleep 0.2; rm -rf -- "$3"';
  // In a group of its own, so that an interrupt from the terminal does not end it first.
  const leash = spawn("/bin/sh", ["-c", script, "leash", signal, String(child.pid), directory], {
    stdio: ["pipe", "ignore", "ignore"], detached: true,
  });
  leash.once("error", () => {});
  leash.unref();
  (leash.stdin as unknown as Socket).unref();
  child.once("exit", () => leash.kill("SIGKILL"));
}
