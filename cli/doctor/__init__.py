"""What `entrepot doctor` looks at."""
