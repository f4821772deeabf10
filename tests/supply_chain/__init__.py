"""What comes from elsewhere: pinned, hashed, under a licence we may ship, and without a known vulnerability."""
