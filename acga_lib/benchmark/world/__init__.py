"""What a drawn video shows and what is true of it: scenes, actors, actions, colours, places."""
