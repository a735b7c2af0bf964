"""Where alerts go besides their topic: webhook, chat and mail, console. What each needs is imported when it is built."""
