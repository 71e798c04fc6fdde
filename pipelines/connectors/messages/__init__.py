"""Messages to people: by e-mail or chat, in their language, when they may be disturbed, one for several events."""
