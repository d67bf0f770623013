// Ends the process on SIGTERM and SIGINT, after closing what it serves.

export function stopOnSignal(...closers) {
  const stop = () => {
    for (const close of closers) close();
    // Keep-alive connections would hold the process; one second is enough for what is under way.
    setTimeout(() => process.exit(0), 1000).unref();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}
