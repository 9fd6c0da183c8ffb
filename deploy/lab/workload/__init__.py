"""What users do to the lab's source server: mail to fill it with, and activity."""
