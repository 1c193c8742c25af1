"""The agent's surroundings, faked over real HTTP."""
